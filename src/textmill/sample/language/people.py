"""Sentence patterns about people, in English, German and Chinese."""

from __future__ import annotations

from textmill.sample.language.patterns import Translation

PEOPLE = (
    Translation(
        "{mayor} is the {mayor.job} of {place}.",
        "{mayor} ist {mayor.der} von {place}.",
        "{mayor}是{place}的{mayor.job}。",
    ),
    Translation(
        "{mayor.ms} opens the {festival} every year in {festival_month}.",
        "{mayor.herr} eröffnet {festival.den} jedes Jahr im {festival_month}.",
        "{mayor.ms}每年{festival_month}为{festival}揭幕。",
    ),
    Translation(
        "{mayor.family} has promised a new [bridge|school|library].",
        "{mayor.family} hat eine neue [Brücke|Schule|Bibliothek] versprochen.",
        "{mayor.family}承诺建一[座新桥|所新学校|座新图书馆]。",
    ),
    Translation(
        "{mayor} met {visitor} in {away} on {date}.",
        "{mayor} hat {visitor} am {date} in {away} getroffen.",
        "{date}，{mayor}在{away}会见了{visitor}。",
    ),
    Translation(
        "{captain} has played for {team} since {year}.",
        "{captain} spielt seit {year} für {team}.",
        "{captain}从{year}年起为{team}效力。",
    ),
    Translation(
        "{captain.family} lives in {place} and trains with {team} every {weekday}.",
        "{captain.family} wohnt in {place} und trainiert jeden {weekday} mit {team}.",
        "{captain.family}住在{place}，每个{weekday}都跟{team}一起训练。",
    ),
    Translation(
        "{director} has run {employer} since {year}, and {director.she} still knows every worker.",
        "{director} leitet {employer} seit {year}, und {director.er} kennt noch jeden Arbeiter.",
        "{director}从{year}年起管理{employer}，{director.she}至今认识每一位工人。",
    ),
    Translation(
        "{director.ms} does not want to sell {employer}.",
        "{director.herr} will {employer} nicht verkaufen.",
        "{director.ms}不想卖掉{employer}。",
    ),
    Translation(
        "{scientist} works as a {scientist.job} at the {institute}.",
        "{scientist} arbeitet {institute.am} als {scientist.job}.",
        "{scientist}在{institute}当{scientist.job}。",
    ),
    Translation(
        "{scientist.ms} lives in {place} with {scientist.her} [family|dog|parents].",
        "{scientist.herr} wohnt mit {scientist.sein}[er Familie|em Hund|en Eltern] in {place}.",
        "{scientist.ms}和{scientist.she}的[家人|狗|父母]住在{place}。",
    ),
    Translation(
        "In {place}, {scientist.family} is known for {scientist.her} work at the {institute}.",
        "In {place} ist {scientist.family} für {scientist.sein}e Arbeit {institute.am} bekannt.",
        "在{place}，{scientist.family}因{scientist.she}在{institute}的工作而出名。",
    ),
    Translation(
        "{scientist} and {scientist.her} group studied the [water|air|light] near {sight}.",
        "{scientist} und {scientist.sein}e Gruppe haben [das Wasser|die Luft|das Licht] {sight.am} "
        "untersucht.",
        "{scientist}和{scientist.she}的小组研究了{sight}附近的[水|空气|光线]。",
    ),
    Translation(
        "{scientist.ms} found a new kind of [moth|spider|flower] near {sight}.",
        "{scientist.herr} hat {sight.am} eine neue Art von [Faltern|Spinnen|Blumen] entdeckt.",
        "{scientist.ms}在{sight}附近发现了一种新的[飞蛾|蜘蛛|花]。",
    ),
    Translation(
        "{filmmaker}, a {filmmaker.job} from {place}, made the film {film} in {film_year}.",
        "{filmmaker}, {filmmaker.ein} aus {place}, drehte im Jahr {film_year} den Film {film}.",
        "来自{place}的{filmmaker.job}{filmmaker}在{film_year}年拍摄了电影{film}。",
    ),
    Translation(
        "The {novelist.job} {novelist} wrote {book} at home in {place}.",
        "{novelist.der} {novelist} schrieb das Buch {book} zu Hause in {place}.",
        "{novelist.job}{novelist}在{place}的家里写下了{book}。",
    ),
    Translation(
        "Everybody in {place} knows {novelist}, who wrote {book}.",
        "Jeder in {place} kennt {novelist}, {novelist.rel} das Buch {book} geschrieben hat.",
        "{place}人人都认识写下{book}的{novelist}。",
    ),
    Translation(
        "Ask {guide.ms} about {sight}: nobody in {place} knows it better.",
        "Fragen Sie {guide.herrn} nach {sight.dem}: Niemand in {place} kennt sich dort besser aus.",
        "关于{sight}，请去问{guide.ms}：{place}没有人比{guide.she}更了解那里。",
    ),
    Translation(
        "{guide} has shown visitors the way to {sight} for {few} years.",
        "{guide} zeigt Besuchern seit {few} Jahren den Weg {sight.zum}.",
        "{few}年来，{guide}一直给游客指去{sight}的路。",
    ),
    Translation(
        "It is a pity that {guide} cannot come to {sight} with us.",
        "Schade, dass {guide} nicht mit uns {sight.zum} kommen kann.",
        "可惜{guide}不能和我们一起去{sight}。",
    ),
    Translation(
        "{visitor} comes from {away}, but {visitor.she} has a [house|garden] near {sight}.",
        "{visitor} kommt aus {away}, aber {visitor.er} hat [ein Haus|einen Garten] {sight.am}.",
        "{visitor}来自{away}，但{visitor.she}在{sight}附近有一[所房子|座花园]。",
    ),
    Translation(
        "{visitor}, a {visitor.job} from {away}, has come to {place} for {few} days.",
        "{visitor}, {visitor.ein} aus {away}, ist für {few} Tage nach {place} gekommen.",
        "来自{away}的{visitor.job}{visitor}到{place}来待{few}天。",
    ),
    Translation(
        "I met {visitor}, a {visitor.job}, at the {hotel}.",
        "Ich habe {hotel.im} {visitor} getroffen, {visitor.einen}.",
        "我在{hotel}遇到了{visitor.job}{visitor}。",
    ),
    Translation(
        "{visitor.ms} studied [chemistry|law|history] at the {institute} until {year}.",
        "{visitor.herr} hat bis {year} {institute.am} [Chemie|Jura|Geschichte] studiert.",
        "{visitor.ms}在{institute}学习[化学|法律|历史]，一直学到{year}年。",
    ),
    Translation(
        "When {visitor} arrived in {place}, the {festival} had already begun.",
        "Als {visitor} in {place} ankam, hatte {festival.der} schon begonnen.",
        "{visitor}到达{place}时，{festival}已经开始了。",
    ),
    Translation(
        "{visitor} lent me {book} in {month}, and I have to give it back to {visitor.her} sister.",
        "{visitor} hat mir im {month} das Buch {book} geliehen, und ich muss es {visitor.sein}er "
        "Schwester zurückgeben.",
        "{visitor}在{month}把{book}借给了我，我得把它还给{visitor.she}的姐姐。",
    ),
)
