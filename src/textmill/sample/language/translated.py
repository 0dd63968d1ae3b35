"""German and Chinese translations of the words and forms in names.py, and names built from them.

German keeps the names of people, towns, teams, companies and products, and translates the rest.
Chinese transliterates people, towns and regions, by syllable if a name is composed of syllables,
and keeps Latin letters only for companies and products.
"""

from __future__ import annotations

from collections.abc import Mapping

from textmill.sample.language import names

LANGUAGES = ("en", "de", "zh")

Names = Mapping[str, str]
"""A name or a word by language, as an ISO 639-1 code."""


def _table(text: str) -> dict[str, str]:
    return dict(entry.split("=") for entry in text.split())


GERMAN = {
    **_table("""
    Valdoria=Valdorien Talia=Talien
    Amber=Bernstein Raven=Raben Saint=Heiligen Otter=Otter Mirror=Spiegel Thunder=Donner
    Heather=Heide Beacon=Feuer
    Silver=silberne Quiet=stille Last=letzte Hidden=verborgene Paper=papierne Broken=zerbrochene
    Winter=winterliche Crooked=schiefe Distant=ferne Burning=brennende Borrowed=geliehene
    Hollow=hohle
    Harbour=Hafen Orchard=Obstgarten Witness=Zeuge Garden=Garten Letter=Brief Lantern=Laterne
    River=Fluss Staircase=Treppe
    camera=Kamera speaker=Lautsprecher phone=Telefon laptop=Laptop kettle=Wasserkocher
    blender=Mixer lamp=Lampe toaster=Toaster drill=Bohrmaschine printer=Drucker torch=Taschenlampe
    scale=Waage bicycle=Fahrrad watch=Uhr tent=Zelt kayak=Kajak
    electronics=Elektronik tools=Werkzeuge
    mayor=Bürgermeister captain=Kapitän researcher=Forscher novelist=Schriftsteller
    """),
    "managing director": "Geschäftsführer",
    "film director": "Regisseur",
    "tour guide": "Reiseleiter",
    "household goods": "Haushaltswaren",
    "sports goods": "Sportartikel",
    "{} Institute": "Institut {}",
    "{} University": "Universität {}",
    "{} Observatory": "Sternwarte {}",
    "{} Academy": "Akademie {}",
    "{} Fair": "{}-Messe",
    "{} Festival": "{}-Festival",
    "{} Marathon": "{}-Marathon",
    "{} Forum": "{}-Forum",
    "{} Lodge": "Landhaus {}",
    "{} Palace": "Palasthotel {}",
    "{} Inn": "Gasthaus {}",
    "{} House": "Haus {}",
    "Grand {}": "Grandhotel {}",
    "Lake {}": "{}see",
    "{} Falls": "{}fall",
    "Mount {}": "{}berg",
    "{} Abbey": "{}abtei",
    "{} Gorge": "{}schlucht",
    "{} Castle": "{}schloss",
    **dict(
        zip(
            names.MONTHS + names.WEEKDAYS,
            names.words("""
            Januar Februar März April Mai Juni Juli August September Oktober November Dezember
            Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag
            """),
            strict=True,
        )
    ),
}
"""Missing words are kept in English; jobs are in the masculine."""

CHINESE = {
    **_table("""
    Ostermark=奥斯特马克 Zürnbach=齐恩巴赫 Königsau=柯尼希绍 Altenrode=阿尔滕罗德
    Weißenfeld=魏森费尔德 Mühlhaven=米尔哈芬 Torgau-Nord=北托尔高
    Valdoria=瓦尔多利亚 Peñalta=佩尼亚尔塔 Montalvo=蒙塔尔沃 Córdel=科尔德尔
    Sarriza=萨里萨 Lucerna-Alta=上卢塞纳 Vendrés=本德雷斯
    Norland=诺尔兰 Ösholm=厄斯霍尔姆 Kørvik=克尔维克 Grönfors=格伦福什
    Tellavik=泰拉维克 Brandsund=布兰松 Hølsund=赫尔松
    Brenn=布伦 Marlock=马洛克 Tannoch=坦诺赫 Inverdoon=因弗敦
    Calderby=考尔德比 Straithe=斯特雷斯 Dunmarrow=邓马罗
    Gallaise=加莱兹 Saint-Éloi=圣埃卢瓦 Montferré=蒙费雷 Brûlon=布吕隆
    Villecerf=维勒瑟夫 Châtelmont=沙泰勒蒙 Rocquefleur=罗克弗勒
    Kessland=凯斯兰 Kessel=凯塞尔 Drumhoek=德鲁姆胡克 Vaartveen=法尔特芬
    Oudestad=奥德斯塔德 Zandmeer=赞德梅尔 Brielhoven=布里尔霍芬
    Talia=塔利亚 Orvento=奥尔文托 Castelmara=卡斯特尔马拉 Pietrasole=彼得拉索莱
    Fiorenza-Bassa=下菲奥伦扎 Lagoscuro=拉戈斯库罗 Monteverna=蒙泰韦尔纳
    Summerlea=萨默利 Lydcaster=利德卡斯特 Elmsworthy=埃尔姆斯沃西 Pennyquay=彭尼基
    Tidemouth=泰德茅斯 Foxholt=福克斯霍尔特 Harrowmere=哈罗米尔

    Alice=艾丽斯 Amélie=阿梅莉 Anaïs=阿娜伊丝 Beatrix=比阿特丽克丝 Carla=卡拉 Chloé=克洛艾
    Daphne=达芙妮 Edith=伊迪丝 Elena=埃琳娜 Fiona=菲奥娜 Frøya=弗蕾娅 Greta=格蕾塔
    Hanna=汉娜 Inês=伊内丝 Ingrid=英格丽德 Judith=朱迪丝 Katrin=卡特琳 Léa=蕾雅
    Linnéa=林内娅 Maren=玛伦 Märta=玛塔 Nadia=娜迪娅 Nora=诺拉 Olive=奥利芙 Paula=葆拉
    Renée=蕾妮 Rosa=罗莎 Sigrid=西格丽德 Belén=贝伦 Tessa=泰莎 Ursula=乌尔苏拉
    Wilma=维尔玛 Zoë=佐薇
    Adam=亚当 André=安德烈 Anton=安东 Björn=比约恩 Carl=卡尔 Daniel=丹尼尔 Émile=埃米尔
    Enzo=恩佐 Felix=费利克斯 François=弗朗索瓦 Günther=京特 Hugo=胡戈 Ivo=伊沃
    Jørgen=约尔根 José=何塞 Jürgen=于尔根 Kaspar=卡斯帕 Lars=拉尔斯 Leon=莱昂
    Marco=马尔科 Matthias=马蒂亚斯 Noël=诺埃尔 Oscar=奥斯卡 Otto=奥托 Paul=保罗
    Raúl=劳尔 René=勒内 Samuel=塞缪尔 Søren=瑟伦 Stefan=斯特凡 Tobias=托比亚斯
    Victor=维克托

    Ash=阿什 Barn=巴恩 Brack=布拉克 Cald=考尔德 Dun=邓 Elling=埃林 Farn=法恩 Garn=加恩
    Hal=哈尔 Ing=英 Kel=凯尔 Lang=朗 Mel=梅尔 Nor=诺 Ock=奥克 Pem=彭 Rad=拉德
    Sel=塞尔 Thorn=索恩 Ux=乌克斯 Wen=文
    bourne=伯恩 combe=库姆 croft=克罗夫特 dale=代尔 ford=福德 gate=盖特 ham=汉姆
    hurst=赫斯特 land=兰 ley=利 more=莫尔 stead=斯特德 ton=顿 wick=威克 worth=沃思
    bridge=布里奇

    Aurora=奥罗拉 Bellamy=贝拉米 Corona=科罗娜 Imperial=帝国 Meridian=子午线 Regent=摄政
    Savoy=萨伏伊 Windsor=温莎
    Copper=铜 Salted=咸味 Golden=金色 Velvet=天鹅绒 Rusty=锈 Laughing=欢笑 Wandering=流浪
    Speckled=斑点
    Heron=苍鹭 Fig=无花果 Anchor=船锚 Goose=鹅 Ladle=汤勺
    Amber=琥珀 Raven=渡鸦 Saint=圣 Otter=水獭 Mirror=镜 Thunder=雷 Heather=石楠 Beacon=烽火
    Silver=银色 Quiet=寂静 Last=最后 Hidden=隐秘 Paper=纸做 Broken=破碎 Winter=冬日
    Crooked=歪斜 Distant=遥远 Burning=燃烧 Borrowed=借来 Hollow=空心
    Harbour=港湾 Orchard=果园 Witness=证人 Garden=花园 Letter=信件 Lantern=灯笼 River=河流
    Staircase=楼梯

    camera=相机 speaker=音箱 phone=手机 laptop=笔记本电脑 kettle=水壶 blender=搅拌机
    lamp=台灯 toaster=烤面包机 drill=电钻 printer=打印机 torch=手电筒 scale=秤
    bicycle=自行车 watch=手表 tent=帐篷 kayak=皮划艇
    electronics=电子产品 tools=工具
    mayor=市长 captain=队长 researcher=研究员 novelist=小说家

    January=一月 February=二月 March=三月 April=四月 May=五月 June=六月 July=七月 August=八月
    September=九月 October=十月 November=十一月 December=十二月
    Monday=星期一 Tuesday=星期二 Wednesday=星期三 Thursday=星期四 Friday=星期五
    Saturday=星期六 Sunday=星期日
    """),
    "Pear & Thyme": "梨与百里香",
    "managing director": "总经理",
    "film director": "导演",
    "tour guide": "导游",
    "household goods": "家居用品",
    "sports goods": "体育用品",
    "{} {}": "{}·{}",
    "{}": "{}公司",
    "{} Group": "{}集团",
    "{} & Sons": "{}父子公司",
    "{} Works": "{}制造厂",
    "{} Rovers": "{}流浪者队",
    "{} United": "{}联队",
    "{} Harriers": "{}鹞鹰队",
    "{} Athletic": "{}竞技队",
    "{} Falcons": "{}猎鹰队",
    "{} City": "{}城队",
    "{} Institute": "{}研究所",
    "{} University": "{}大学",
    "{} Observatory": "{}天文台",
    "{} Academy": "{}学院",
    "{} Fair": "{}集市",
    "{} Festival": "{}艺术节",
    "{} Marathon": "{}马拉松",
    "{} Forum": "{}论坛",
    "{} Lodge": "{}山庄",
    "{} Palace": "{}宫酒店",
    "Hotel {}": "{}酒店",
    "{} Inn": "{}客栈",
    "{} House": "{}宾馆",
    "Grand {}": "{}大酒店",
    "Lake {}": "{}湖",
    "{} Falls": "{}瀑布",
    "Mount {}": "{}山",
    "{} Abbey": "{}修道院",
    "{} Gorge": "{}峡谷",
    "{} Castle": "{}城堡",
}
"""Missing words are kept in English."""

_TABLES: Mapping[str, Mapping[str, str]] = {"en": {}, "de": GERMAN, "zh": CHINESE}


def named(form: str, *parts: str | Names) -> Names:
    """Return the form filled with its parts, in all languages.

    Args:
        form: a format string or a single word, in English.
        parts: English words, or names in all languages.
    """
    return {
        language: table.get(form, form).format(
            *(table.get(part, part) if isinstance(part, str) else part[language] for part in parts)
        )
        for language, table in _TABLES.items()
    }


def titled(adjective: str, noun: str) -> Names:
    """Return the title of a film or a book, with the quotation marks of each language."""
    # After a definite article, the adjective ends in -e in every gender.
    article = "Die" if noun in ("Lantern", "Staircase") else "Der"
    return {
        "en": f"The {adjective} {noun}",
        "de": f"„{article} {GERMAN[adjective]} {GERMAN[noun]}“",
        "zh": f"《{CHINESE[adjective]}的{CHINESE[noun]}》",
    }


def named_restaurant(stem: str, ending: str) -> Names:
    """Return the name of a restaurant, which is not translated into German."""
    english = f"{stem} {ending}"
    return {"en": english, "de": english, "zh": f"{CHINESE[stem]}{CHINESE[ending]}餐厅"}
