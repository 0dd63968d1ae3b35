"""What the sample texts are put together from: names, words, and sentence patterns."""
