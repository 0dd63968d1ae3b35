"""Parallel sentence patterns in English, German and Chinese.

Slots may select a form of their filler (see grammar.py): `{mayor.she}`. Every sentence contains a
name of its town, so that the same sentence cannot occur for two towns of which one is held out.

The choices of a sentence are in the same order in all languages, and so are the words within a
choice. Word order may differ, and a choice may contain German inflectional endings:
`{x.sein}[e|em]`.
"""

from __future__ import annotations

from textmill.sample.language.patterns import Translation
from textmill.sample.language.people import PEOPLE

PLACES = (
    Translation(
        "{place} is a town in {region}.",
        "{place} ist eine Stadt in {region}.",
        "{place}是{region}的一座城市。",
    ),
    Translation(
        "{place} and {sight} both lie in {region}.",
        "{place} und {sight.der} liegen beide in {region}.",
        "{place}和{sight}都在{region}。",
    ),
    Translation(
        "{sight} is the best known sight of {region}.",
        "{sight.der} ist die bekannteste Sehenswürdigkeit von {region}.",
        "{sight}是{region}最有名的景点。",
    ),
    Translation(
        "Nobody knows how {sight} got its name.",
        "Niemand weiß, wie {sight.der} zu diesem Namen gekommen ist.",
        "没有人知道{sight}的名字是怎么来的。",
    ),
    Translation(
        "The {festival} takes place in {place} every {festival_month}.",
        "{festival.der} findet jedes Jahr im {festival_month} in {place} statt.",
        "{festival}每年{festival_month}在{place}举行。",
    ),
    Translation(
        "During the {festival} every bed in {place} is taken.",
        "Wenn {festival.der} stattfindet, ist in {place} jedes Bett belegt.",
        "{festival}期间，{place}的床位全都订满了。",
    ),
    Translation(
        "The {hotel} stands in the middle of {place}.",
        "{hotel.der} steht mitten in {place}.",
        "{hotel}坐落在{place}的中心。",
    ),
    Translation(
        "A room at the {hotel} costs {price} a night.",
        "Ein Zimmer {hotel.im} kostet {price} pro Nacht.",
        "{hotel}的房间每晚{price}。",
    ),
    Translation(
        "We stayed at the {hotel} for {few} nights because the [weather|food] was so good.",
        "Wir blieben {few} Nächte {hotel.im}, weil das [Wetter|Essen] so gut war.",
        "因为[天气|饭菜]太好了，我们在{hotel}住了{few}个晚上。",
    ),
    Translation(
        "From the {hotel} it takes {few} hours on foot to reach {sight}.",
        "{hotel.vom} braucht man zu Fuß {few} Stunden bis {sight.zum}.",
        "从{hotel}步行到{sight}要{few}个小时。",
    ),
    Translation(
        "People in {place} go to {restaurant} for their [birthday|wedding].",
        "[Zum Geburtstag|Zur Hochzeit] gehen die Leute in {place} ins Restaurant {restaurant}.",
        "{place}人[过生日|办婚礼]时都去{restaurant}。",
    ),
    Translation(
        "{restaurant} is {few} minutes from the station of {place}.",
        "Das Restaurant {restaurant} liegt {few} Minuten vom Bahnhof in {place} entfernt.",
        "{restaurant}离{place}的车站只有{few}分钟的路。",
    ),
    Translation(
        "The [soup|fish|bread] at {restaurant} was [cold|excellent|too salty].",
        "[Die Suppe|Der Fisch|Das Brot] im Restaurant {restaurant} war "
        "[kalt|ausgezeichnet|zu salzig].",
        "{restaurant}的[汤|鱼|面包][凉了|好极了|太咸了]。",
    ),
    Translation(
        "The [train|bus] from {place} to {away} leaves at {time} on {weekday}.",
        "Am {weekday} fährt der [Zug|Bus] von {place} nach {away} um {time} ab.",
        "从{place}到{away}的[火车|公共汽车]{weekday}{time}发车。",
    ),
    Translation(
        "Every year some {thousands} visitors come to {place} only to see {sight}.",
        "Jedes Jahr kommen rund {thousands} Besucher nach {place}, nur um {sight.den} zu sehen.",
        "每年约有{thousands}名游客只为看{sight}来到{place}。",
    ),
    Translation(
        "{place} has {thousands} inhabitants and {count} [bridges|schools|shops].",
        "{place} hat {thousands} Einwohner und {count} [Brücken|Schulen|Läden].",
        "{place}有{thousands}名居民和{count}[座桥|所学校|家商店]。",
    ),
    Translation(
        "The {institute} is the pride of {place}.",
        "{institute.der} ist der Stolz von {place}.",
        "{institute}是{place}的骄傲。",
    ),
    Translation(
        "The {institute} lent us {count} instruments.",
        "{institute.der} hat uns {count} Instrumente geliehen.",
        "{institute}借给我们{count}台仪器。",
    ),
    Translation(
        "It [rained|snowed] in {place} on {weekday}.",
        "Am {weekday} hat es in {place} [geregnet|geschneit].",
        "{weekday}{place}下[雨|雪]了。",
    ),
    Translation(
        "The path to {sight} is closed until {month}.",
        "Der Weg {sight.zum} ist bis {month} gesperrt.",
        "去{sight}的路一直封闭到{month}。",
    ),
    Translation(
        "In winter the road between {place} and {away} is often closed.",
        "Im Winter ist die Straße zwischen {place} und {away} oft gesperrt.",
        "冬天，{place}和{away}之间的公路经常封闭。",
    ),
    Translation(
        "The [museum|market|library] in {place} opens at {time}.",
        "[Das Museum|Der Markt|Die Bibliothek] in {place} öffnet um {time}.",
        "{place}的[博物馆|市场|图书馆]{time}开门。",
    ),
    Translation(
        "The old [bridge|station|theatre] in {place} was built in {year}.",
        "[Die alte Brücke|Der alte Bahnhof|Das alte Theater] in {place} wurde {year} gebaut.",
        "{place}的[老桥|老车站|老剧院]建于{year}年。",
    ),
    Translation(
        "We walked from {place} to {sight} and [saw|counted] {count} birds.",
        "Wir sind von {place} {sight.zum} gewandert und haben {count} Vögel [gesehen|gezählt].",
        "我们从{place}走到{sight}，[看见|数到]了{count}只鸟。",
    ),
    Translation(
        "The rain stopped at {time}, and we walked to {sight}.",
        "Um {time} hörte der Regen auf, und wir gingen {sight.zum}.",
        "{time}雨停了，我们走到了{sight}。",
    ),
    Translation(
        "Whoever visits {sight} should carry [water|a map|warm clothes].",
        "Wer {sight.den} besucht, sollte [Wasser|eine Karte|warme Kleidung] mitnehmen.",
        "去{sight}的人应该带上[水|地图|保暖的衣服]。",
    ),
    Translation(
        "The council of {place} has [rejected|approved] the plan for a new road to {away}.",
        "Der Stadtrat von {place} hat den Plan für eine neue Straße nach {away} "
        "[abgelehnt|gebilligt].",
        "{place}市议会[否决|批准]了修建通往{away}的新公路的计划。",
    ),
    Translation(
        "Only {percent} of the people in {place} trust the council.",
        "Nur {percent} der Leute in {place} vertrauen dem Stadtrat.",
        "{place}只有{percent}的人信任市议会。",
    ),
)

THINGS = (
    Translation(
        "{company} makes {trade} in {place}.",
        "{company} stellt in {place} {trade} her.",
        "{company}在{place}生产{trade}。",
    ),
    Translation(
        "The {product} is a {kind} made by {company}.",
        "Das Modell {product} ist {kind.ein} von {company}.",
        "{product}是{company}生产的{kind.one}。",
    ),
    Translation(
        "Anyone who needs a {kind} in {place} buys the {product}.",
        "Wer in {place} {kind.einen} braucht, kauft das Modell {product}.",
        "在{place}，谁需要{kind}，谁就买{product}。",
    ),
    Translation(
        "I bought a new {kind} in {place} for {price}.",
        "Ich habe in {place} für {price} {kind.einen_neuen} gekauft.",
        "我在{place}花{price}买了{kind.one_new}。",
    ),
    Translation(
        "The {kind} broke after {few} weeks, so I wrote to {company}.",
        "{kind.der} ging nach {few} Wochen kaputt, also schrieb ich an {company}.",
        "{kind.this}用了{few}个星期就坏了，所以我给{company}写了信。",
    ),
    Translation(
        "The {product} costs {price} and is [cheaper|better] than my old {kind}.",
        "Das Modell {product} kostet {price} und ist [billiger|besser] als {kind.mein_alter}.",
        "{product}的价格是{price}，比我的旧{kind}[便宜|好]。",
    ),
    Translation(
        "{visitor} is [happy|unhappy] with the new {kind} from {company}.",
        "{visitor} ist mit {kind.dem_neuen} von {company} [zufrieden|unzufrieden].",
        "{visitor}对{company}的新{kind}[很满意|不满意]。",
    ),
    Translation(
        "In {year} {company} sold {thousands} units of the {product}.",
        "Im Jahr {year} verkaufte {company} {thousands} Stück vom Modell {product}.",
        "{year}年，{company}卖出了{thousands}件{product}。",
    ),
    Translation(
        "Shares in {company} [fell|rose] by {percent} on {weekday}.",
        "Die Aktien von {company} sind am {weekday} um {percent} [gefallen|gestiegen].",
        "{weekday}，{company}的股价[下跌|上涨]了{percent}。",
    ),
    Translation(
        "{company} will hire {count} people in {place}.",
        "{company} wird in {place} {count} Leute einstellen.",
        "{company}将在{place}招聘{count}人。",
    ),
    Translation(
        "They say that {competitor} wants to buy {company}.",
        "Man sagt, dass {competitor} {company} kaufen will.",
        "据说{competitor}想收购{company}。",
    ),
    Translation(
        "{competitor} will close its factory in {away} and move {count} jobs to {place}.",
        "{competitor} wird das Werk in {away} schließen und {count} Stellen nach {place} verlegen.",
        "{competitor}将关闭{away}的工厂，把{count}个岗位迁到{place}。",
    ),
    Translation(
        "{employer} made a profit of {millions} euros in {year}.",
        "{employer} hat {year} einen Gewinn von {millions} Euro gemacht.",
        "{employer}在{year}年盈利{millions}欧元。",
    ),
    Translation(
        "{team} beat {rival} {score} in {place} on {weekday}.",
        "Die Mannschaft von {team} hat am {weekday} in {place} {score} gegen {rival} gewonnen.",
        "{weekday}，{team}在{place}以{score}战胜了{rival}。",
    ),
    Translation(
        "{captain} has scored {few} goals for {team}.",
        "{captain} hat {few} Tore für {team} geschossen.",
        "{captain}为{team}打进了{few}个球。",
    ),
    Translation(
        "{captain.ms} will miss the match because {captain.her} [knee|shoulder|foot] hurts.",
        "{captain.herr} fehlt im Spiel, weil {captain.ihm} [das Knie|die Schulter|der Fuß] wehtut.",
        "{captain.ms}因为[膝盖|肩膀|脚]疼，不能参加比赛。",
    ),
    Translation(
        "I do not know whether {team} will win without {captain}.",
        "Ich weiß nicht, ob die Mannschaft von {team} ohne {captain} gewinnen wird.",
        "我不知道没有{captain}，{team}能不能赢。",
    ),
    Translation(
        "Tickets for the match between {team} and {rival} cost {price}.",
        "Karten für das Spiel zwischen {team} und {rival} kosten {price}.",
        "{team}对{rival}的比赛门票是{price}。",
    ),
    Translation(
        "The next match of {team} is on {date}.",
        "Das nächste Spiel von {team} findet am {date} statt.",
        "{team}的下一场比赛在{date}举行。",
    ),
    Translation(
        "The film {film} was shot near {sight} in {film_year}.",
        "Der Film {film} wurde {film_year} {sight.am} gedreht.",
        "电影{film}于{film_year}年在{sight}附近拍摄。",
    ),
    Translation(
        "We have seen the film {film}, and I am still thinking about it.",
        "Wir haben den Film {film} gesehen, und ich denke noch immer darüber nach.",
        "我们看了电影{film}，我现在还在想它。",
    ),
    Translation(
        "{book} came out in {book_year} and was read by {thousands} people.",
        "Das Buch {book} erschien {book_year} und wurde von {thousands} Menschen gelesen.",
        "{book}于{book_year}年出版，有{thousands}人读过。",
    ),
    Translation(
        "The children have read {book} and want to meet {novelist}.",
        "Die Kinder haben das Buch {book} gelesen und möchten {novelist} kennenlernen.",
        "孩子们读了{book}，想认识{novelist}。",
    ),
    Translation(
        "I would rather read {book} than see the film {film}.",
        "Ich möchte lieber das Buch {book} lesen als den Film {film} sehen.",
        "我宁愿读{book}，也不想看电影{film}。",
    ),
)

LETTERS = (
    Translation(
        "Could you send me the bill for the {kind} from {company}?",
        "Könnten Sie mir die Rechnung für {kind.den} von {company} schicken?",
        "您能把从{company}买的{kind.this}的账单寄给我吗？",
    ),
    Translation(
        "Would you like to come to {place} in {month}?",
        "Möchten Sie im {month} nach {place} kommen?",
        "您想在{month}来{place}吗？",
    ),
    Translation(
        "Please tell {visitor.ms} that we will be in {place} on {weekday} at {time}.",
        "Bitte sagen Sie {visitor.herrn}, dass wir am {weekday} um {time} in {place} sind.",
        "请告诉{visitor.ms}，我们{weekday}{time}到{place}。",
    ),
    Translation(
        "I am sorry that I could not come to {place} in {month}.",
        "Es tut mir leid, dass ich im {month} nicht nach {place} kommen konnte.",
        "对不起，{month}我没能来{place}。",
    ),
    Translation(
        "Thank you for your letter from {place} of {date}.",
        "Vielen Dank für Ihren Brief aus {place} vom {date}.",
        "感谢您{date}从{place}寄来的信。",
    ),
    Translation(
        "On {weekday} we had dinner at {restaurant} and talked about {visitor}.",
        "Am {weekday} haben wir im Restaurant {restaurant} gegessen und über {visitor} gesprochen.",
        "{weekday}我们在{restaurant}吃晚饭，谈到了{visitor}。",
    ),
)

PATTERNS = PEOPLE + PLACES + THINGS + LETTERS
