"""What people write to the demo shop, and what staff answer.

A text is an opener, a core that carries the reason, a tail that carries the mood, and a closer; each is
drawn from a list, so two texts are seldom the same. `{p}` is a product, `{q}` another, `{n}` a number.
"""

from __future__ import annotations

from random import Random
from typing import Final

_CORES_EN: Final = {
    "question": (
        "How often should I water the {p} in winter?",
        "Can the {p} live in a north-facing room?",
        "Is the {p} safe for cats?",
        "Do you know when the {p} will be back in stock?",
        "Which soil would you take for the {p}?",
        "What size of pot does the {p} need after a year?",
        "Could you tell me whether the {p} and the {q} can share a pot?",
        "When is the best time to repot the {p}?",
        "Do you deliver to the islands, and how long does it take?",
        "What are your opening hours on Saturday?",
        "Can I collect the {p} in the shop instead of waiting for the parcel?",
        "Does the {p} come with a pot or without?",
        "Why do the leaves of my {p} curl at the edges?",
        "How much light does the {p} want?",
        "Where do you grow your {p}, and is it peat-free?",
        "Would the {q} fit the {p}, or is it too small?",
        "Is there a discount for students?",
        "How do I get rid of gnats around the {p}?",
        "Can you wrap the {p} and put a card inside?",
        "What is the difference between the {p} and the {q}?",
        "How long does the {p} keep if I buy it today?",
        "May I bring my {p} to the repotting week?",
        "Which of the two is easier for a beginner, the {p} or the {q}?",
        "Until which day can I order for a delivery before the weekend?",
        "Does anybody know how tall the {p} gets?",
    ),
    "complaint": (
        "The {p} arrived broken and the soil was all over the box.",
        "My parcel with the {p} is {n} days late and nobody tells me why.",
        "The {p} came with root rot and died within a week.",
        "I was charged twice for the {p} and still wait for the refund.",
        "The {p} is much smaller than in the picture, very disappointing.",
        "You sent the {q} instead of the {p}, this is the wrong item.",
        "The {p} cracked after {n} days, poor quality.",
        "Half of my order is missing, there was no {p} in the box.",
        "The discount code for the {p} does not work and the checkout is terrible.",
        "There were pests all over the {p}, now my other plants are infested.",
        "I want my money back for the {p}, it was dead on arrival.",
        "The courier left the {p} in the rain and the box was ruined.",
        "The price of the {p} went up overnight, that is unfair.",
        "Third message about the {p} and still no answer, bad service.",
        "The {p} leaks and has damaged my shelf.",
        "The invoice for the {p} is wrong again.",
        "The {p} was out of stock after I had paid, what a mess.",
        "Delivery was awful, the {p} stood upside down in the box.",
        "The {p} fell apart the second time I used it.",
        "Waiting on hold for {n} minutes about the {p} is unacceptable.",
    ),
    "praise": (
        "The {p} is thriving, best buy of the year.",
        "I love the {p}, it is even more beautiful than in the picture.",
        "Great packing, the {p} arrived in perfect shape.",
        "The {p} has made {n} new leaves already, I am so happy with it.",
        "Wonderful service, you really know your plants.",
        "Thank you for the {p}, my mother was delighted.",
        "Excellent quality, the {p} and the {q} are both lovely.",
        "The {p} came a day early and looks gorgeous.",
        "Your advice on the {p} was perfect, it is healthy again.",
        "So pleased with the {p}, I will recommend you to all my friends.",
        "Fantastic shop, friendly people and a superb {p}.",
        "The {p} is amazing, thanks a lot.",
        "Really impressed by how well the {p} was wrapped.",
        "My {p} is in bloom, thank you, it is a joy every morning.",
        "The best {p} I have found anywhere, wonderful.",
        "Brilliant idea to put a care card with the {p}, I love it.",
        "Very happy with the {p}, exactly as described.",
        "Five stars for the {p} and for the kind people at the counter.",
    ),
    "order": (
        "I would like to order {n} of the {p}, please.",
        "Please add {n} more of the {p} to my order.",
        "Please send {n} of the {p} to the same address as last time.",
        "I want to order the {p} and the {q} for next Tuesday.",
        "Please change the delivery address of my order with the {p}.",
        "I'd like to buy the {p}, please put one aside for me.",
        "Please send the invoice for the {p} order with our VAT number on it.",
        "I need to order {n} of the {p} again, same as in spring.",
        "Please cancel the {q} from my order and keep the {p}.",
        "We would like to place an order: {n} of the {p} and two of the {q}.",
        "I have just placed an order for the {p}, the number is {n}71{n}.",
        "Please reserve {n} of the {p}, I will order today.",
        "I'd like to order a gift card together with the {p}.",
        "Please move my order with the {p} to next week.",
    ),
    "other": (
        "I read your post about the {p}.",
        "I am at the shop on Thursday anyway and bring the {q} along.",
        "That was the {p} I meant yesterday.",
        "Here is the photo of my {p} on the windowsill.",
        "My neighbor has the {p} as well.",
        "I moved house, the {p} stands in the kitchen for the time being.",
        "We talked about the {p} at the counter.",
        "I put the {p} next to the {q}, as it says on the card.",
        "The {p} is on the balcony until October.",
        "I will look at the {p} again at the weekend.",
        "Same {p} as every spring here.",
        "Just to let you know, I found the {q} behind the {p}.",
        "It is the {p} in the second row.",
        "My sister has tagged me because of the {p}.",
    ),
}

_TAILS_EN: Final = {
    1: (
        "I love your shop, by the way.",
        "You are such lovely people.",
        "Your plants make me happy.",
        "It is always a pleasure with you.",
        "I am really looking forward to it!",
        "Your shop is wonderful.",
        "Such a beautiful place you have.",
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
        "I am annoyed, to be honest.",
        "Your website is a pain.",
        "It has been a frustrating week.",
        "I am not happy about it.",
        "That is sad, really.",
        "I have had bad luck with shops lately.",
        "I am worried, this is stressful.",
        "I am fed up with waiting.",
    ),
}

_OPENERS_EN: Final = ("Hello, ", "Hi, ", "Good morning, ", "Good evening, ", "Hi {staff}, ", "Hello there, ")
_CLOSERS_EN: Final = ("", "", "", " Regards, {me}", " {me}", " Best wishes, {me}")

_OTHER_LANGUAGES: Final = {
    "fr": {
        "question": (
            "Bonjour, à quelle fréquence faut-il arroser le {p} en hiver ?",
            "Est-ce que vous livrez le {p} à Nancy avant samedi ?",
            "Quand le {p} sera-t-il de nouveau disponible ?",
            "Quel terreau conseillez-vous pour le {p} et le {q} ?",
        ),
        "complaint": (
            "Le {p} est arrivé cassé, je suis très déçu et je demande un remboursement.",
            "Mon colis avec le {p} a {n} jours de retard, c'est inadmissible.",
            "Mauvaise qualité, le {p} est mort au bout d'une semaine.",
        ),
        "praise": (
            "Merci beaucoup, le {p} est magnifique et très bien emballé.",
            "Je suis ravie de mon {p}, excellent service.",
            "Parfait, le {p} est superbe, je recommande votre boutique.",
        ),
        "order": (
            "Je voudrais commander {n} {p}, s'il vous plaît.",
            "Merci d'ajouter le {q} à ma commande avec le {p}.",
        ),
        "other": ("Voici la photo du {p} dans ma cuisine.", "Je passe à la boutique jeudi pour le {p}."),
    },
    "de": {
        "question": (
            "Guten Tag, wie oft muss ich den {p} im Winter gießen?",
            "Wann ist der {p} wieder lieferbar?",
            "Welche Erde empfehlen Sie für {p} und {q}?",
            "Liefern Sie den {p} auch am Samstag?",
        ),
        "complaint": (
            "Der {p} kam kaputt an, ich bin enttäuscht und möchte mein Geld zurück.",
            "Meine Bestellung mit dem {p} ist seit {n} Tagen überfällig, das ist ärgerlich.",
            "Schlechte Qualität, der {p} ist nach einer Woche eingegangen.",
        ),
        "praise": (
            "Vielen Dank, der {p} ist wunderschön und war sehr gut verpackt.",
            "Ich bin begeistert vom {p}, ein toller Laden.",
            "Der {p} wächst prächtig, danke für den guten Rat.",
        ),
        "order": (
            "Ich möchte {n} Stück {p} bestellen, bitte an die gleiche Adresse.",
            "Bitte die Rechnung für die Bestellung mit dem {p} an unsere Firma schicken.",
        ),
        "other": (
            "Hier ist das Foto vom {p} auf dem Fensterbrett.",
            "Ich komme am Donnerstag wegen {p} vorbei.",
        ),
    },
    "es": {
        "question": (
            "Hola, ¿cada cuánto hay que regar el {p} en invierno?",
            "¿Cuándo volverá a estar disponible el {p}?",
            "¿Qué tierra recomiendan para el {p} y el {q}?",
        ),
        "complaint": (
            "El {p} llegó roto, estoy muy decepcionado y quiero un reembolso.",
            "Mi pedido con el {p} lleva {n} días de retraso, es inaceptable.",
            "Mala calidad, el {p} se murió en una semana.",
        ),
        "praise": (
            "Muchas gracias, el {p} es precioso y llegó perfecto.",
            "Estoy encantada con el {p}, excelente servicio.",
            "Me encanta el {p}, recomiendo esta tienda.",
        ),
        "order": (
            "Quisiera pedir {n} {p}, por favor.",
            "Por favor, añadan el {q} a mi pedido con el {p}.",
        ),
        "other": ("Aquí va la foto del {p} en mi cocina.", "Paso por la tienda el jueves por el {p}."),
    },
}

_ANSWERS: Final = {
    "question": (
        "Hi {name}, good that you ask. The {p} likes it bright and rather dry, and we have put a care card on its page.",
        "Hello {name}, yes, that works for the {p}. Write again when you are unsure.",
        "Hi {name}, the {p} comes in on Thursday. I will put one aside until Saturday.",
        "Hello {name}, two fingers deep and only when it feels dry, that suits the {p} best.",
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
        "That makes our day, {name}. Send a picture of the {p} when it flowers.",
        "Thank you {name}! The gardener says hello to the {p}.",
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
    "question": ("A question about the {p}", "The {p}", "Advice on my {p}", "Before I buy the {p}"),
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


def _fill(rng: Random, text: str, products: tuple[str, str], **more: str) -> str:
    filled = text.format(
        p=products[0], q=products[1], n=rng.randint(2, 12), day=rng.choice(_DAYS), staff="Nora", **more
    )
    return filled[:1].upper() + filled[1:]


def say(
    rng: Random, *, reason: str, mood: int, products: tuple[str, str], language: str, letter: bool, me: str
) -> str:
    """One text of a customer. `mood` is -1, 0 or 1; `letter` for greeting and signature."""
    if language in _OTHER_LANGUAGES:
        return _fill(rng, rng.choice(_OTHER_LANGUAGES[language][reason]), products)
    core = rng.choice(_CORES_EN[reason])
    tail = rng.choice(_TAILS_EN[mood])
    opener = rng.choice(_OPENERS_EN) if letter else ""
    closer = rng.choice(_CLOSERS_EN) if letter else ""
    first = core[0].lower() + core[1:] if opener and not core.startswith(("I ", "I'")) else core
    body = f"{opener}{first} {tail}".strip()
    return _fill(rng, body + closer, products, me=me)


def answer(rng: Random, *, reason: str, products: tuple[str, str], name: str) -> str:
    """One answer of staff, signed by nobody: the network shows who wrote."""
    return _fill(rng, rng.choice(_ANSWERS[reason]), products, name=name)


def subject(rng: Random, *, reason: str, products: tuple[str, str]) -> str:
    """Subject of a mail."""
    return _fill(rng, rng.choice(_SUBJECTS[reason]), products)
