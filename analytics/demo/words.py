"""What people write to the demo shop, and what staff answer.

A text is an opener, a core that carries the reason, a tail that carries the mood, and a closer; each is
drawn from a list, so two texts are seldom the same. `{p}` and `{q}` are products, `{v}` and `{w}` plants,
`{n}` a number.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple


class Topic(NamedTuple):
    """What a text is about: two products and two plants, as people call them."""

    p: str
    q: str
    v: str
    w: str


_CORES_EN: Final = {
    "question": (
        "How often should I water the {v} in winter?",
        "Can the {v} live in a north-facing room?",
        "Is the {v} safe for cats?",
        "Do you know when the {p} will be back in stock?",
        "Which soil would you take for the {v}?",
        "What size of pot does the {v} need after a year?",
        "Could you tell me whether the {v} and the {w} can share a pot?",
        "When is the best time to repot the {v}?",
        "Do you deliver to the islands, and how long does it take?",
        "What are your opening hours on Saturday?",
        "Can I collect the {p} in the shop on Saturday?",
        "Does the {v} come with a pot or without?",
        "Why do the leaves of my {v} curl at the edges?",
        "How much light does the {v} want?",
        "Where do you grow your {v}, and is it peat-free?",
        "Would the {q} fit the {p}, or is it too small?",
        "Is there a discount for students?",
        "How do I get rid of gnats around the {v}?",
        "Can you wrap the {p} and put a card inside?",
        "What is the difference between the {v} and the {w}?",
        "How long does the {p} keep if I buy it today?",
        "May I bring my {v} to the repotting week?",
        "Which of the two is easier for a beginner, the {v} or the {w}?",
        "Until which day do you send for the weekend?",
        "Does anybody know how tall the {v} gets?",
    ),
    "complaint": (
        "The {p} arrived broken and the soil was all over the box.",
        "My parcel with the {p} is {n} days late, unacceptable.",
        "The {v} came with root rot and died within a week, I am disappointed.",
        "I was charged twice for the {p} and still wait for the refund.",
        "The {p} is much smaller than in the picture, very disappointing.",
        "You sent the {q} instead of the {p}, this is the wrong item.",
        "The {p} cracked after {n} days, poor quality.",
        "Half of it is missing, I never received the {p}.",
        "The discount code for the {p} does not work and the checkout is terrible.",
        "There were pests all over the {v}, now my other plants are infested, awful.",
        "I want my money back for the {v}, it was dead on arrival.",
        "The courier left the {p} in the rain and it came damaged.",
        "The price of the {p} went up overnight, that is ridiculous.",
        "Third message about the {p} and still no answer, bad service.",
        "The {p} leaks and has damaged my shelf.",
        "The invoice for the {p} is wrong again.",
        "The {p} was out of stock after I had paid, what a joke.",
        "Delivery was awful, the {p} stood upside down in the box.",
        "The {p} fell apart the second time I used it, useless.",
        "Waiting on hold for {n} minutes about the {p} is unacceptable.",
    ),
    "praise": (
        "The {v} is thriving, I am impressed.",
        "I love the {p}, it is even more beautiful than in the picture.",
        "Great packing, the {p} arrived in perfect shape.",
        "The {v} has made {n} new leaves already, I love it.",
        "Wonderful service, you really know your plants, thanks.",
        "Thank you for the {p}, my mother was delighted.",
        "Excellent quality, the {p} and the {q} are both lovely.",
        "The {p} came a day early and looks gorgeous, thank you.",
        "Your advice on the {v} was perfect, it is healthy again.",
        "So pleased with the {p}, I recommend you to all my friends.",
        "Fantastic shop, friendly people and a superb {p}.",
        "The {p} is amazing, thanks a lot.",
        "Really impressed by the care with which the {p} was wrapped.",
        "My {v} is in bloom, thank you, it is a joy every morning.",
        "The best {p} I have found anywhere, wonderful.",
        "Brilliant idea to put a care card with the {v}, I love it.",
        "Very happy with the {p}, excellent.",
        "Five stars for the {p}, I love it.",
    ),
    "order": (
        "I would like to order {n} of the {p}, please.",
        "Please add {n} more of the {p} to my order.",
        "Please send my order of {n} {p} to the same address as last time.",
        "I want to order the {p} and the {q} for next Tuesday.",
        "Please change the address of my order with the {p}.",
        "I'd like to buy the {p}, please put one aside for me.",
        "Please put our VAT number on the invoice of our order with the {p}.",
        "I need to order {n} of the {p} again, same as in spring.",
        "Please cancel the {q} from my order and keep the {p}.",
        "We would like to place an order: {n} of the {p} and two of the {q}.",
        "I have just placed an order for the {p}, the number is {n}71{n}.",
        "I am going to order {n} of the {p} today.",
        "I'd like to order a gift card together with the {p}.",
        "Please move my order with the {p} to next week.",
    ),
    "other": (
        "I read your post about the {p}.",
        "I am at the shop on Thursday anyway and bring the {q} along.",
        "That was the {p} I meant yesterday.",
        "Here is the photo of my {p} on the windowsill.",
        "My neighbor has the {p} as well.",
        "I moved house, the {v} stands in the kitchen for the time being.",
        "We talked about the {p} at the counter.",
        "I put the {p} next to the {q}, as it says on the card.",
        "The {v} is on the balcony until October.",
        "I will look at the {p} again at the weekend.",
        "Same {p} as every spring here.",
        "Just to let you know, I found the {q} behind the {p}.",
        "It is the {p} in the second row.",
        "My sister has tagged me because of the {p}.",
    ),
}

_TAILS_EN: Final = {
    1: (
        "Your shop is beautiful, by the way.",
        "You are such lovely people.",
        "Your plants make me happy.",
        "It is always a pleasure with you.",
        "I am really looking forward to it, such fun!",
        "I am glad that you are there.",
        "You are so friendly.",
        "You have been so helpful.",
    ),
    0: (
        "",
        "",
        "",
        "Just so you know.",
        "That is all.",
        "I am in until five.",
        "It is the one by the window.",
    ),
    -1: (
        "I am tired of this, to be honest.",
        "Your website is confusing.",
        "It has been a sad week for my plants.",
        "I am a bit upset about it.",
        "The last one died, sadly.",
        "I am worried about it.",
        "I have my doubts about it.",
        "It is all a bit difficult.",
    ),
}

_MORE_EN: Final = (
    "I have had the {q} for three years, in the room next door.",
    "It stands in the hall beside the {q}, with the morning sun until about ten.",
    "We moved the shelf last month, so there is a little more room than before.",
    "My neighbor and I share the watering when one of us is away.",
    "The pot is the one with the green rim, from your shelf by the door.",
    "I took the tram to the shop this time, the way by the river.",
    "There is a radiator under the window, off most of the time.",
    "I wrote the date on a label and put it in the soil.",
    "The balcony faces the yard, with a wall on the left side.",
    "I water with rain from the barrel, about once in eight days.",
    "The card on the shelf said medium light and a pot with a hole.",
    "It is for the room at the back, in the place of the {q}.",
)

_OPENERS_EN: Final = ("Hello, ", "Hi, ", "Good morning, ", "Good evening, ", "Hi {staff}, ", "Hello there, ")
_CLOSERS_EN: Final = ("", "", "", " Regards, {me}", " {me}", " Best wishes, {me}")

_OTHER_LANGUAGES: Final = {
    "fr": {
        "question": (
            "Bonjour, à quelle fréquence faut-il arroser le {v} en hiver ?",
            "Est-ce que vous livrez le {p} à Nancy avant samedi ?",
            "Quand le {p} sera-t-il de nouveau disponible ?",
            "Quel terreau conseillez-vous pour le {v} et le {w} ?",
        ),
        "complaint": (
            "Le {p} est arrivé cassé, je suis très déçu et je demande un remboursement.",
            "Le {p} a {n} jours de retard, c'est inadmissible.",
            "Le {v} est mort au bout d'une semaine, c'est décevant.",
        ),
        "praise": (
            "Merci beaucoup, le {p} est magnifique et très bien emballé.",
            "Je suis ravie de mon {p}, excellent service.",
            "Parfait, le {p} est superbe, je conseille votre boutique à tous.",
        ),
        "order": (
            "Voici ma commande : {n} {p}, s'il vous plaît.",
            "Ajoutez le {q} à ma commande avec le {p}, s'il vous plaît.",
        ),
        "other": ("Voici la photo du {p} dans ma cuisine.", "Je passe à la boutique jeudi pour le {p}."),
    },
    "de": {
        "question": (
            "Guten Tag, wie oft muss ich den {v} im Winter gießen?",
            "Wann ist der {p} wieder lieferbar?",
            "Welche Erde empfehlen Sie für {v} und {w}?",
            "Liefern Sie den {p} auch am Samstag?",
        ),
        "complaint": (
            "Der {p} kam kaputt an, ich bin enttäuscht und möchte mein Geld zurück.",
            "Der {p} ist seit {n} Tagen überfällig, das ist ärgerlich.",
            "Der {v} ist nach einer Woche eingegangen, sehr enttäuschend.",
        ),
        "praise": (
            "Vielen Dank, der {p} ist wunderschön und war sehr gut verpackt.",
            "Ich bin begeistert vom {p}, einfach toll.",
            "Der {v} wächst prächtig, danke für den guten Rat.",
        ),
        "order": (
            "Ich möchte bestellen: {n} Stück {p}, bitte an die gleiche Adresse.",
            "Bitte schreiben Sie die Firma auf die Rechnung, meine Bestellung mit dem {p} war gestern.",
        ),
        "other": (
            "Hier ist das Foto vom {p} auf dem Fensterbrett.",
            "Ich komme am Donnerstag mit dem {p} vorbei.",
        ),
    },
    "es": {
        "question": (
            "Hola, ¿cada cuánto hay que regar el {v} en invierno?",
            "¿Cuándo volverá a estar disponible el {p}?",
            "¿Qué tierra recomiendan para el {v} y el {w}?",
        ),
        "complaint": (
            "El {p} llegó roto, estoy muy decepcionado y quiero un reembolso.",
            "El {p} lleva {n} días de retraso, es inaceptable.",
            "El {v} se murió en una semana, estoy decepcionada.",
        ),
        "praise": (
            "Muchas gracias, el {p} es precioso y llegó en perfecto estado.",
            "Gracias, estoy encantada con el {p}.",
            "Me encanta el {p}, el servicio es genial.",
        ),
        "order": (
            "Aquí va mi pedido: {n} {p}, por favor.",
            "Por favor, añadan el {q} a mi pedido con el {p}.",
        ),
        "other": ("Aquí va la foto del {p} en mi cocina.", "Paso por la tienda el jueves por el {p}."),
    },
}

_MORE: Final = {
    "fr": (
        "Il est dans l'entrée, tout près de la fenêtre, avec le soleil du matin.",
        "Nous avons déménagé le mois dernier et il y a un peu plus de place.",
        "J'ai aussi le {q} depuis trois ans, juste à côté dans le salon.",
        "Le pot est celui au bord vert, de votre étagère près de la porte.",
        "Je note les dates sur une étiquette et je la mets dans la terre.",
        "Le radiateur sous la fenêtre est éteint la plupart du temps.",
        "J'arrose avec l'eau de pluie du tonneau, tous les huit jours environ.",
    ),
    "de": (
        "Er steht im Flur gleich neben dem Fenster, dort ist vormittags Sonne.",
        "Wir sind im letzten Monat umgezogen, nun ist etwas mehr Platz da.",
        "Den {q} habe ich seit drei Jahren, er steht daneben im Zimmer.",
        "Der Topf ist der mit dem grünen Rand, aus dem Regal bei der Tür.",
        "Ich schreibe die Tage auf ein Schild und stecke es in die Erde.",
        "Die Heizung unter dem Fenster ist die meiste Zeit ausgeschaltet.",
        "Ich gieße mit Regenwasser aus der Tonne, etwa alle acht Tage.",
    ),
    "es": (
        "Está en el pasillo, al lado de la ventana, con sol por la mañana.",
        "Nos mudamos el mes pasado y ahora hay un poco más de sitio.",
        "Tengo también el {q} desde hace tres años, al lado en el salón.",
        "La maceta es la del borde verde, de la estantería de la puerta.",
        "Apunto los días en una etiqueta y la pongo en la tierra.",
        "El radiador debajo de la ventana está apagado casi siempre.",
        "Riego con agua de lluvia del bidón, más o menos cada ocho días.",
    ),
}

_ANSWERS: Final = {
    "question": (
        "Hi {name}, good that you ask. The {v} likes it bright and rather dry, and we have put a care card on its page.",
        "Hello {name}, yes, that works for the {p}. Write again when you are unsure.",
        "Hi {name}, the {p} comes in on Thursday. I will put one aside until Saturday.",
        "Hello {name}, two fingers deep and only when it feels dry, that suits the {v} best.",
        "Hi {name}, we deliver within three days, and you can collect it at the counter until seven.",
    ),
    "complaint": (
        "Hi {name}, I am sorry about the {p}. A new one leaves today, and you need not send the old one back.",
        "Hello {name}, that should not have happened. The money for the {p} is on its way to you.",
        "Hi {name}, thank you for telling us. I have asked the courier and will write again tomorrow before noon.",
        "Hello {name}, sorry for the trouble with the {p}. Could you send a photo of the label on the box?",
    ),
    "praise": (
        "Thank you {name}, we have read it aloud in the greenhouse.",
        "That makes our day, {name}. Send a picture of the {v} when it flowers.",
        "Thank you {name}! The gardener says hello to the {v}.",
    ),
    "order": (
        "Hi {name}, done, the {p} is on your order. It leaves tomorrow.",
        "Hello {name}, noted. The invoice comes with the confirmation.",
        "Hi {name}, that is changed. You will get the new delivery day by mail.",
    ),
    "other": (
        "Thank you {name}, noted here.",
        "Hi {name}, see you then.",
        "Good to know, {name}.",
    ),
}

_SUBJECTS: Final = {
    "question": ("A question about the {v}", "The {v}", "Advice on my {v}", "Before I buy the {v}"),
    "complaint": ("Problem with the {p}", "My order with the {p}", "The {p} that came on {day}"),
    "praise": ("The {p}", "A word about the {p}", "Your {p}"),
    "order": ("Order: {p}", "Change to my order", "{n} of the {p}"),
    "other": ("The {p}", "From the counter", "Photo of the {p}"),
}

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

RATINGS: Final = {
    "complaint": (1, 1, 2, 2, 3),
    "praise": (5, 5, 5, 4),
    "other": (3, 4, 4),
    "order": (4, 5, 3),
}


def _fill(rng: Random, text: str, topic: Topic, **more: str) -> str:
    filled = text.format(**topic._asdict(), n=rng.randint(2, 12), day=rng.choice(_DAYS), staff="Nora", **more)
    return filled[:1].upper() + filled[1:]


def say(
    rng: Random,
    *,
    reason: str,
    mood: int,
    topic: Topic,
    language: str,
    more: int,
    letter: bool,
    me: str,
) -> str:
    """One text of a customer. `mood` is -1, 0 or 1; `more` sentences beside the point; `letter` for greeting."""
    if language in _OTHER_LANGUAGES:
        said = [rng.choice(_OTHER_LANGUAGES[language][reason]), *rng.sample(_MORE[language], more)]
        return _fill(rng, " ".join(said), topic)
    core = rng.choice(_CORES_EN[reason])
    tail = rng.choice(_TAILS_EN[mood])
    opener = rng.choice(_OPENERS_EN) if letter else ""
    closer = rng.choice(_CLOSERS_EN) if letter else ""
    first = core[0].lower() + core[1:] if opener and not core.startswith(("I ", "I'")) else core
    body = " ".join(part for part in (opener + first, *rng.sample(_MORE_EN, more), tail) if part)
    return _fill(rng, body + closer, topic, me=me)


def answer(rng: Random, *, reason: str, topic: Topic, name: str) -> str:
    """One answer of staff, signed by nobody: the network shows who wrote."""
    return _fill(rng, rng.choice(_ANSWERS[reason]), topic, name=name)


def subject(rng: Random, *, reason: str, topic: Topic) -> str:
    """Subject of a mail."""
    return _fill(rng, rng.choice(_SUBJECTS[reason]), topic)
