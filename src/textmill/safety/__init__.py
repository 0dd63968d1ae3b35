"""What keeps personal data out of corpora, models and answers."""
