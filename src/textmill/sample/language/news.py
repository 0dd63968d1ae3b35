"""News patterns by topic: leads, details and asides.

Names do not determine the topic: companies sponsor teams, teams vote, mayors travel. Many words are
shared on purpose (race, campaign, record, field, season, deal), so that a single word is a weak
feature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """The patterns of one topic."""

    leads: tuple[str, ...]
    """First sentences, which determine the topic."""
    new_leads: tuple[str, ...]
    """First sentences that do not occur in labelled training examples."""
    details: tuple[str, ...]
    """Further sentences on the same topic."""
    asides: tuple[str, ...]
    """Sentences for reports on another topic."""


POLITICS = Topic(
    leads=(
        "{mayor}, the mayor of {place}, [wants|plans] to [cut|raise|freeze] the local tax.",
        "The council of {place} [rejected|approved|delayed] a plan to widen the road to {away}.",
        "{visitor} will run for the assembly of {region}, ending weeks of [rumours|speculation].",
        "A minister from {region} [resigned|stepped down] after a record that few defended.",
        "Voters in {place} go to the polls in {month} after a short and [bitter|quiet] campaign.",
        "{company} must now answer to a committee of the assembly about its deal in {away}.",
        "The opposition in {region} lost the lead in a race that had looked [easy|safe|settled].",
        "{mayor_family} defended the new rules for rented homes before a [packed|restless] hall.",
        "Ministers met in {place} to agree on a common line about the border with {away}.",
        "A treaty between {place} and {away} was signed by {mayor} on {date}.",
        "The debate about the new ground of {team} [split|divided] the ruling party in {place}.",
        "{captain} called for a public vote on the future of the old hospital in {place}.",
    ),
    new_leads=(
        "A law on [clean water|quiet nights|school meals] passed by {count} votes in {region}.",
        "The governor of {region} turned down a request from {company} and drew [praise|protest].",
        "Protesters filled the square in {place} when {mayor} put off the ballot again.",
        "{mayor} formed a coalition with the greens, and {place} has a majority once more.",
    ),
    details=(
        "The vote is due on {weekday}, and neither side is sure of the numbers.",
        "A spokesman for the party spoke of a fair result.",
        "{mayor_family} said that {mayor_she} would listen to every citizen before the decision.",
        "Critics fear that the plan will cost {millions} a year.",
        "The assembly had put the question off {few} times since {year}.",
        "The campaign spent more on posters than any before it.",
        "Only {percent} of those asked trust the council on the matter.",
        "The reform needs a second reading in {month}.",
        "Two members left the chamber before the count.",
        "A poll puts support at {percent}, which is close to the record.",
    ),
    asides=(
        "{visitor_family} had sat on the council of {away} until {year}.",
        "The ministry in {region} did not wish to comment.",
        "The day before, the assembly had voted on the budget for roads.",
        "All this came in the week of the election in {away}.",
        "The mayor, {mayor}, sent a short greeting.",
        "A new law on the matter is still before the committee.",
    ),
)

SPORTS = Topic(
    leads=(
        "{team} beat {rival} {score} in {place} and [stay|remain] at the top of the table.",
        "{captain} scored {few} times as {team} came from behind on {weekday}.",
        "A late [penalty|header|free kick] gave {rival} a draw in {place} that few had expected.",
        "{captain_family} will miss the rest of the season with a [knee|shoulder|back] injury.",
        "{visitor} won the long race from {place} to {away} in record time.",
        "The coach of {team} [dropped|rested|praised] {captain} before the match against {rival}.",
        "{team} signed a young keeper from {rival} for {millions}, a record deal for {place}.",
        "Rain stopped play in {place} with {rival} {few} points ahead in the final.",
        "The swimmers of {region} took {few} medals at the games in {away}.",
        "{captain} ends a career of {count} matches where it began, on the field in {place}.",
        "A new ground for {team} will hold {thousands} fans from {month} on.",
        "{visitor_family} broke the national record over the hurdles before {thousands} people.",
    ),
    new_leads=(
        "Defeat in {away} leaves {team} in the lower half of the league after a poor campaign.",
        "The climb to {sight} decided the stage, and {visitor} took the lead.",
        "{rival} appealed against the red card that {captain} was shown in {place}.",
        "The cup goes to {away} for the first time after a shoot-out that {team} lost.",
    ),
    details=(
        "The next match is on {weekday}, away from home.",
        "{captain_family} said that the team had played without fear.",
        "The fans sang until long after the whistle.",
        "It was win number {count} since {year}.",
        "The defence looked tired in the second half.",
        "The coach spoke of a fair result.",
        "Both sides had a goal ruled out.",
        "{team} have not lost in {few} games.",
        "Training goes on behind closed doors until {weekday}.",
        "Tickets for the return leg cost {price}.",
    ),
    asides=(
        "{visitor_family} had played for {rival} until an injury in {year}.",
        "{team} had won {score} the night before.",
        "As a student {visitor_she} had run the hurdles for {region}.",
        "All this came in the week of the cup final.",
        "The captain of {team}, {captain}, was there too.",
        "Many in the room still talked about the match against {rival}.",
    ),
)

BUSINESS = Topic(
    leads=(
        "{company} of {place} [raised|cut|kept] its forecast after sales of the {product} grew.",
        "{director}, who runs {employer}, [bought|sold] a stake in {competitor} for {millions}.",
        "Shares in {company} [fell|rose] by {percent} when the {trade} maker lost a large order.",
        "{competitor} will close its plant in {away} and move {count} jobs to {place}.",
        "{employer} opens a second factory near {place} to meet demand from {region}.",
        "The merger of {company} and {competitor} is off after months of talks.",
        "{company} recalls its {kind}, the {product}, and sets aside {millions} for the costs.",
        "A bank in {place} lent {employer} {millions} for a campaign abroad.",
        "The market for {trade} in {region} shrank by {percent}, and {company} felt it first.",
        "{director_family} told investors in {away} that the lead over {competitor} is safe.",
        "Hotels such as the {hotel} report record bookings, and their owners raise prices.",
        "{team} found a new sponsor: {company} pays {millions} for {few} seasons.",
    ),
    new_leads=(
        "The owner of {restaurant} in {place} plans {few} more branches and looks for investors.",
        "{competitor} won the race to supply {place} with a contract worth {millions}.",
        "{visitor} takes over as head of finance at {company} in {month}.",
        "The price of the {product} goes up to {price}, and shops in {away} stock up early.",
    ),
    details=(
        "Profits for the year came to {millions}.",
        "{director_family} spoke of a fair result.",
        "Analysts had expected less.",
        "The company will hire {count} people in {place}.",
        "Orders from {away} made up {percent} of turnover.",
        "The deal still needs the consent of the shareholders.",
        "Costs for steel and freight went down in {month}.",
        "The union asks for {percent} more pay.",
        "The quarter ends on {weekday}.",
        "Suppliers in {region} hope for a better second half.",
    ),
    asides=(
        "{visitor_family} had worked in sales at {competitor} until {year}.",
        "{company} paid for the hall.",
        "The day before, {competitor} had reported a loss of {millions}.",
        "All this came in the week when shares in {competitor} fell.",
        "{director} of {employer} sat in the first row.",
        "The costs of {millions} are shared with a bank.",
    ),
)

SCIENCE = Topic(
    leads=(
        "{scientist} and {scientist_her} group at the {institute} [traced|mapped] plastic.",
        "A trial in {place} suggests that a cheap [vaccine|drug] protects {percent} of patients.",
        "{scientist_family} found a new [species|kind] of moth in the field near {sight}.",
        "A telescope above {place} recorded the [faint|sudden] light of a dying star.",
        "The launch of a small probe from {region} was put off to {month}.",
        "Ice from {sight} holds a record of the climate that goes back {thousands} years.",
        "{visitor} received the medal of the {institute} for work on magnetic fields.",
        "Bees near {away} learn faster than those in {place}, a study of {count} hives shows.",
        "A model trained at the {institute} predicts floods in {region} {few} days ahead.",
        "Researchers in {place} grew [skin|nerve|liver] cells that live for {few} weeks.",
        "{scientist} doubts a result from {away} about the age of the rocks at {sight}.",
        "A battery without rare metals, built with {company}, passed its first test in {place}.",
    ),
    new_leads=(
        "Athletes of {team} slept in a laboratory so that {scientist_family} could study recovery.",
        "The genes of a wheat from {region} explain why it survives a dry season.",
        "An old bone from {away} turns out to be {thousands} years older than thought.",
        "The particle that {scientist_family} has chased since {year} showed up in {few} tests.",
    ),
    details=(
        "The findings were checked by a second team in {away}.",
        "{scientist_family} spoke of a fair result.",
        "The sample was small, the authors warn.",
        "Measurements go on until {month}.",
        "The data are open to everyone.",
        "Earlier work from {year} had pointed the other way.",
        "The effect was stronger at night.",
        "The next experiment needs a larger field.",
        "An error of {percent} cannot be ruled out.",
        "The journal printed the paper on {date}.",
    ),
    asides=(
        "{visitor_family} had studied chemistry in {away} until {year}.",
        "The {institute} lent the instruments.",
        "The day before, a laboratory in {away} had shown new data.",
        "All this came in the week when the probe was launched.",
        "{scientist}, a researcher, took notes.",
        "A study on the matter is under way at the {institute}.",
    ),
)

TRAVEL = Topic(
    leads=(
        "The [old town|market|harbour] of {place} is best seen in {month}, before the crowds.",
        "From {place} a slow train takes {few} hours to {away}, with a view of {sight}.",
        "{guide} has led walks to {sight} for {few} years and still finds a new path.",
        "A room at the {hotel} in {place} costs {price} a night in the quiet season.",
        "The ferry to {away} runs again from {month}, and a day ticket costs {price}.",
        "Whoever climbs {sight} should [start|leave] at dawn and carry water.",
        "Three days in {place} are enough for the bridges, the gardens and a meal at {restaurant}.",
        "The {festival} fills every bed in {place}, so book before {festival_month}.",
        "{visitor} walked from {away} to {place} and [wrote|filled] a diary on the way.",
        "A new trail for [cyclists|hikers] joins {sight} and the edge of {place}.",
        "The campsite below {sight} reopens with {count} pitches and a field for tents.",
        "Few visitors know the [chapel|lighthouse|bath house] behind the station of {place}.",
    ),
    new_leads=(
        "{guide_family} shows guests the kitchens of {place}, from the bakery to {restaurant}.",
        "The night bus from {away} saves a hotel and reaches {place} at {time}.",
        "Off the main road to {sight} lies a beach that even locals rarely visit.",
        "In winter the lakes of {region} freeze, and the journey to {place} goes over the ice.",
    ),
    details=(
        "The tourist office at the station has maps.",
        "Dogs are welcome on the upper deck.",
        "{guide_family} spoke of a fair walk.",
        "Bring cash, since few stalls take cards.",
        "The view is worth the climb.",
        "Guided tours leave at {time} on {weekday}.",
        "The bus back to {away} is slow but cheap.",
        "Museums are closed on {weekday}.",
        "Rooms with a balcony go first.",
        "The last stretch is steep and has no shade.",
    ),
    asides=(
        "{visitor_family} had been on a journey through {region} until {weekday}.",
        "The guests stayed at the {hotel}.",
        "The day before, {visitor_she} had taken the ferry to {away}.",
        "All this came in the week of the {festival}, when every room is taken.",
        "{guide}, who shows visitors around, waited outside.",
        "The road to {sight} was full of hikers that day.",
    ),
)

TOPICS: Mapping[str, Topic] = {
    "politics": POLITICS,
    "sports": SPORTS,
    "business": BUSINESS,
    "science": SCIENCE,
    "travel": TRAVEL,
}
