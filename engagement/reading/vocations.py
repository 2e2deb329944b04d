"""The words by which people tell what they do and what they like: English, then German, all in lower case.

Work is kept by its field ("nursing"), whoever does it under whatever title. What would tell of health,
belief, origin, politics or love stands in neither list, and is not looked for.
"""

from __future__ import annotations

# field: (who does it, English; German)
PROFESSIONS: dict[str, tuple[str, str]] = {
    "accounting": (
        "accountant, bookkeeper, auditor",
        "buchhalter, buchhalterin, steuerberater, steuerberaterin",
    ),
    "architecture": ("architect, landscape architect", "architekt, architektin"),
    "banking": ("banker, bank clerk", "bankkaufmann, bankkauffrau, banker, bankerin"),
    "caregiving": ("caregiver, carer, care worker", "altenpfleger, altenpflegerin, betreuer, betreuerin"),
    "childcare": (
        "childminder, nanny, kindergarten teacher, nursery teacher, preschool teacher",
        "erzieher, erzieherin, tagesmutter, tagesvater, kindergärtner, kindergärtnerin",
    ),
    "cleaning": ("cleaner, janitor, caretaker", "reinigungskraft, hausmeister, hausmeisterin"),
    "construction": (
        "builder, carpenter, joiner, bricklayer, plumber, roofer, mason, construction worker",
        "tischler, tischlerin, schreiner, schreinerin, zimmermann, maurer, maurerin, dachdecker, klempner, "
        "installateur",
    ),
    "consulting": ("consultant", "berater, beraterin, unternehmensberater, unternehmensberaterin"),
    "cooking": ("chef, cook, baker, pastry chef", "koch, köchin, bäcker, bäckerin, konditor, konditorin"),
    "dentistry": ("dentist, dental assistant", "zahnarzt, zahnärztin"),
    "design": (
        "designer, graphic designer, interior designer, web designer, illustrator",
        "designer, designerin, grafiker, grafikerin, innenarchitekt, innenarchitektin",
    ),
    "driving": (
        "driver, truck driver, bus driver, taxi driver, lorry driver",
        "fahrer, fahrerin, lkw-fahrer, busfahrer",
    ),
    "electrical work": ("electrician", "elektriker, elektrikerin"),
    "engineering": (
        "engineer, civil engineer, mechanical engineer, electrical engineer",
        "ingenieur, ingenieurin, bauingenieur, bauingenieurin, maschinenbauer",
    ),
    "farming": (
        "farmer, winemaker, beekeeper",
        "landwirt, landwirtin, bauer, bäuerin, winzer, winzerin, imker, imkerin",
    ),
    "firefighting": ("firefighter, fireman", "feuerwehrmann, feuerwehrfrau"),
    "floristry": ("florist", "florist, floristin"),
    "gardening": ("gardener, landscaper", "gärtner, gärtnerin, landschaftsgärtner, landschaftsgärtnerin"),
    "hairdressing": ("hairdresser, barber, hairstylist", "friseur, friseurin, frisör, frisörin"),
    "hospitality": (
        "waiter, waitress, bartender, barista, hotelier, receptionist",
        "kellner, kellnerin, barkeeper, wirt, wirtin, hotelfachfrau, hotelfachmann",
    ),
    "journalism": ("journalist, reporter, editor", "journalist, journalistin, redakteur, redakteurin"),
    "law": (
        "lawyer, solicitor, attorney, paralegal, notary",
        "anwalt, anwältin, rechtsanwalt, rechtsanwältin, notar, notarin",
    ),
    "libraries": ("librarian", "bibliothekar, bibliothekarin"),
    "logistics": ("warehouse worker, courier, dispatcher", "lagerist, lageristin, logistiker, logistikerin"),
    "marketing": (
        "marketer, marketing manager, copywriter",
        "marketingmanager, marketingmanagerin, texter, texterin",
    ),
    "mechanics": ("mechanic, car mechanic", "mechaniker, mechanikerin, mechatroniker, mechatronikerin"),
    "medicine": (
        "doctor, physician, surgeon, paediatrician, pediatrician",
        "arzt, ärztin, chirurg, chirurgin, kinderarzt, kinderärztin",
    ),
    "midwifery": ("midwife", "hebamme"),
    "music": ("musician, music teacher, piano teacher", "musiker, musikerin, musiklehrer, musiklehrerin"),
    "nursing": (
        "nurse, nurse practitioner, student nurse",
        "krankenschwester, krankenpfleger, krankenpflegerin, pflegefachfrau, pflegefachmann, pflegekraft",
    ),
    "office work": (
        "secretary, office manager, administrator",
        "sekretär, sekretärin, bürokaufmann, bürokauffrau",
    ),
    "pharmacy": ("pharmacist", "apotheker, apothekerin"),
    "photography": ("photographer, videographer", "fotograf, fotografin"),
    "physiotherapy": ("physiotherapist, physical therapist", "physiotherapeut, physiotherapeutin"),
    "police": ("police officer, policeman, policewoman", "polizist, polizistin"),
    "real estate": ("estate agent, realtor, real estate agent", "immobilienmakler, immobilienmaklerin"),
    "research": (
        "scientist, researcher, biologist, chemist, physicist",
        "wissenschaftler, wissenschaftlerin, forscher, forscherin",
    ),
    "retail": (
        "shop assistant, shopkeeper, cashier, store manager",
        "verkäufer, verkäuferin, einzelhändler, einzelhändlerin",
    ),
    "sales": (
        "salesman, saleswoman, salesperson, sales manager",
        "vertriebler, vertrieblerin, vertriebsmitarbeiter",
    ),
    "social work": (
        "social worker, youth worker",
        "sozialarbeiter, sozialarbeiterin, sozialpädagoge, sozialpädagogin",
    ),
    "software": (
        "software engineer, software developer, web developer, developer, programmer, data scientist, data "
        "engineer",
        "softwareentwickler, softwareentwicklerin, entwickler, entwicklerin, programmierer, programmiererin, "
        "informatiker",
    ),
    "studying": ("student, phd student", "student, studentin, doktorand, doktorandin, schüler, schülerin"),
    "tailoring": ("tailor, seamstress, dressmaker", "schneider, schneiderin, näherin"),
    "teaching": (
        "teacher, schoolteacher, professor, lecturer, tutor",
        "lehrer, lehrerin, grundschullehrer, grundschullehrerin, professor, professorin, dozent, dozentin, "
        "lehrkraft",
    ),
    "translation": ("translator, interpreter", "übersetzer, übersetzerin, dolmetscher, dolmetscherin"),
    "veterinary medicine": ("vet, veterinarian, vet nurse, veterinary nurse", "tierarzt, tierärztin"),
    "writing": ("writer, author, novelist, blogger", "autor, autorin, schriftsteller, schriftstellerin"),
}  # fmt: skip

# what: (English; German verbs and nouns)
INTERESTS: dict[str, tuple[str, str]] = {
    "art": ("painting, drawing, sketching, pottery", "malen, zeichnen, töpfern"),
    "baking": ("baking", "backen"),
    "beekeeping": ("beekeeping", "imkern"),
    "birdwatching": ("birdwatching, birding, bird watching", "vögel beobachten, vogelbeobachtung"),
    "board games": (
        "board games, boardgames, chess, board gaming",
        "brettspiele, schach, gesellschaftsspiele",
    ),
    "camping": ("camping", "camping, campen, zelten"),
    "climbing": ("climbing, rock climbing, bouldering", "klettern, bouldern"),
    "cooking": ("cooking", "kochen"),
    "cycling": (
        "cycling, biking, mountain biking, bike rides",
        "radfahren, rad fahren, fahrradfahren, mountainbiken",
    ),
    "dancing": ("dancing", "tanzen"),
    "diving": ("diving, scuba diving, snorkelling, snorkeling", "tauchen, schnorcheln"),
    "diy": ("diy, woodworking, tinkering", "heimwerken, basteln, handwerken"),
    "films": ("films, movies, cinema", "filme, kino"),
    "fishing": ("fishing, angling", "angeln"),
    "football": ("football, soccer", "fußball, fussball"),
    "gaming": ("gaming, video games, videogames", "zocken, videospiele, gaming"),
    "gardening": ("gardening", "gärtnern, gartenarbeit"),
    "hiking": ("hiking, trekking, rambling", "wandern"),
    "history": ("history", "geschichte"),
    "horse riding": ("horse riding, horseback riding", "reiten"),
    "knitting": ("knitting, crocheting, crochet, sewing, quilting", "stricken, häkeln, nähen"),
    "motorcycling": ("motorcycling, motorbikes, motorcycles", "motorradfahren, motorrad fahren"),
    "music": (
        "making music, playing guitar, playing the guitar, playing the piano, playing piano, singing",
        "musik, singen, musizieren",
    ),
    "orchids": ("orchids, growing orchids", "orchideen"),
    "photography": ("photography, taking photos", "fotografieren, fotografie"),
    "plants": ("plants, houseplants, house plants, succulents", "pflanzen, zimmerpflanzen, sukkulenten"),
    "reading": ("reading, books", "lesen, bücher"),
    "running": ("running, jogging", "laufen, joggen"),
    "sailing": ("sailing", "segeln"),
    "skiing": ("skiing, snowboarding", "skifahren, ski fahren, snowboarden"),
    "surfing": ("surfing, kitesurfing, windsurfing", "surfen, kitesurfen, windsurfen"),
    "swimming": ("swimming", "schwimmen"),
    "tennis": ("tennis", "tennis"),
    "travel": ("travelling, traveling, travel", "reisen"),
    "wine": ("wine, wine tasting", "wein"),
    "yoga": ("yoga, pilates", "yoga, pilates"),
}  # fmt: skip

# who does for love what others do for money: an avid gardener
LOVERS: dict[str, str] = {
    "baking": "baker", "birdwatching": "birdwatcher, birder", "climbing": "climber, rock climber, boulderer",
    "cooking": "cook, home cook", "cycling": "cyclist, biker, mountain biker", "fishing": "angler",
    "gaming": "gamer", "gardening": "gardener", "hiking": "hiker", "knitting": "knitter, crocheter, quilter",
    "photography": "photographer", "reading": "reader", "running": "runner, jogger", "sailing": "sailor",
    "skiing": "skier, snowboarder", "surfing": "surfer", "swimming": "swimmer",
    "travel": "traveller, traveler",
}  # fmt: skip

# what may stand between "I'm a" and the word of the work
QUALITIES = frozenset(
    (
        "busy full-time part-time freelance self-employed registered senior junior trained qualified "
        "professional "
        "certified licensed primary elementary high secondary school middle kindergarten university college "
        "english german french spanish math maths science biology history geography sports art icu community "
        "district hospital pediatric paediatric emergency private local independent small-town assistant head"
        " "
        "lead principal chief staff experienced new young proud humble mere working practising practicing "
        "backend "
        "frontend full-stack mobile medical wedding portrait landscape criminal tax family "
        "gelernte gelernter ausgebildete ausgebildeter freiberufliche freiberuflicher selbstständige "
        "selbstständiger angestellte angestellter junge junger erfahrene erfahrener leitende leitender"
    ).split()
)
