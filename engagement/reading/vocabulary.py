"""The words that topics and reasons are told by: English first, then German, French, Spanish.

A topic's entry is a word, or a phrase of words that follow one another; all in lower case, with straight
apostrophes. Phrases of reasons are regular expressions.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


TOPICS: dict[str, tuple[str, ...]] = {
    "delivery": _words(
        "deliver delivers delivery deliveries delivered delivering shipping shipment shipments "
        "shipped ships "
        "courier couriers parcel parcels package packages tracking dispatch dispatched undelivered "
        "lieferung geliefert liefern versand paket sendung livraison livré livrer colis envío envio "
        "entrega paquete "
    ),
    "order": _words(
        "order orders ordered ordering preorder pre-order preordered purchase purchased purchases "
        "checkout "
        "bestellung bestellt bestellen commande commander commandé pedido pedidos compra comprar "
    ),
    "refund": _words(
        "refund refunds refunded refunding reimburse reimbursed reimbursement chargeback "
        "rückerstattung erstattung erstattet remboursement rembourser reembolso "
    )
    + _phrases("""money back
        geld zurück"""),
    "returns": _words(
        "returns return returning returned exchange exchanged exchanging replacement replacements "
        "rücksendung retoure umtausch zurückschicken retour échange échanger devolución devolver "
    )
    + _phrases("send back\nsend it back"),
    "payment": _words(
        "pay paying paid payment payments charge charged charges charging billing bill billed bills "
        "invoice "
        "invoices paypal visa mastercard debit transaction transactions wallet bank "
        "zahlung bezahlt bezahlen rechnung paiement payer facture pago pagar factura cobro "
    )
    + _phrases("credit card\ndebit card\ngift card"),
    "price": _words(
        "price prices priced pricing cost costs costly expensive cheap cheaper fee fees overpriced "
        "afford "
        "preis preise teuer günstig kosten prix cher coût precio precios caro barato "
    ),
    "discount": _words(
        "discount discounts coupon coupons voucher vouchers promo promotion promotions sale deal "
        "deals offer "
        "offers rabatt gutschein angebot réduction promotion remise descuento cupón oferta "
    )
    + _phrases("promo code\ndiscount code"),
    "subscription": _words(
        "subscription subscriptions subscribe subscribed unsubscribe unsubscribed membership renewal "
        "renew "
        "renewed renews trial cancel cancelled canceled cancelling cancellation "
        "abo abonnement kündigen kündigung résilier suscripción cancelar "
    ),
    "account": _words(
        "account accounts username usernames profile email e-mail verification verify verified banned "
        "suspended konto benutzerkonto compte cuenta "
    ),
    "sign-in": _words(
        "login logins logon signin sign-in signed password passwords passcode authenticator 2fa otp "
        "locked "
        "anmelden anmeldung passwort einloggen connexion connecter contraseña sesión "
    )
    + _phrases("log in\nlogged in\nlogging in\nlogged out\nsign in\nsigning in\nmot de passe\nlog into"),
    "security": _words(
        "hacked hack hacker hackers scam scammed scammer phishing fraud fraudulent stolen virus malware "
        "privacy spam gehackt betrug arnaque piraté estafa hackeado "
    ),
    "quality": _words(
        "quality defective defect defects faulty damaged damage broken broke cracked scratched flimsy "
        "qualität defekt kaputt beschädigt qualité cassé défectueux calidad roto defectuoso dañado "
    ),
    "sizing": _words("size sizes sizing fits fitting größe taille talla")
    + _phrases("too small\ntoo big\ntoo large"),
    "availability": _words(
        "stock restock restocked unavailable available availability preorders lieferbar verfügbar "
        "rupture "
        "disponible agotado "
    )
    + _phrases("sold out\nout of stock\nin stock\nback in stock"),
    "app": _words("app apps ios android ipad iphone playstore appstore widget")
    + _phrases("app store\nplay store"),
    "website": _words(
        "website webpage webpages site browser chrome firefox safari edge url webseite seite página sitio "
    ),
    "update": _words(
        "update updates updated updating upgrade upgraded upgrading version firmware patch patched "
        "aktualisierung mise-à-jour actualización actualizar "
    ),
    "error": _words(
        "error errors bug bugs buggy glitch glitches glitched crash crashes crashed crashing freeze "
        "freezes "
        "freezing frozen fehler absturz erreur panne fallo "
    )
    + _phrases(
        "error code\nnot working\ndoesn't work\nstopped working\nwon't load\nwon't work\nisn't working "
    ),
    "outage": _words("outage outages offline downtime störung ausfall")
    + _phrases("servers down\nserver down\nis down\nare down\nservice down\nsite down\ngone down"),
    "speed": _words("slow slower slowly lag lags lagging laggy latency buffering langsam lent lento"),
    "battery": _words("battery batteries charger recharge akku batterie batería"),
    "installation": _words(
        "install installed installing installation installer uninstall uninstalled reinstall reinstalled "
        "setup download downloads downloaded downloading driver drivers einrichten installieren "
        "installer instalar "
    )
    + _phrases("set up"),
    "connection": _words(
        "wifi wi-fi internet network bluetooth connect connects connected connecting connection "
        "connectivity "
        "disconnect disconnected disconnecting router signal verbindung conexión réseau "
    ),
    "hardware": _words(
        "printer printers print prints printing laptop laptops keyboard mouse screen monitor camera "
        "speaker "
        "headset headphones microphone mic controller console device devices cartridge cartridges ink "
        "scanner "
        "drucker imprimante impresora pantalla "
    ),
    "sound": _words("audio sound volume mute muted unmute ton son sonido"),
    "video": _words("video videos stream streams streaming streamed vidéo vídeo"),
    "files": _words(
        "file files folder folders sync synced syncing backup upload uploads uploaded uploading "
        "storage pdf "
        "photos photo attachment datei dateien fichier archivo "
    ),
    "support": _words(
        "support agent agents representative rep helpline hotline ticket tickets kundenservice "
        "kundendienst assistance "
    )
    + _phrases(
        "customer service\ncustomer care\ncustomer support\nservice client\natención al cliente\nlive "
        "chat\nphone number "
    ),
    "waiting": _words(
        "waiting waited delay delays delayed late overdue warte verspätet retard attends esperando retraso "
    )
    + _phrases("no response\nno reply\nno answer\nstill waiting\non hold\nany update\nstill no"),
    "warranty": _words(
        "warranty guarantee guaranteed repair repairs repaired garantie reparatur garantía reparación "
    ),
    "staff": _words(
        "rude polite staff employee employees manager unprofessional unfreundlich freundlich impoli grosero "
    ),
    "opening hours": _words("opening öffnungszeiten horaires horario")
    + _phrases("opening hours\nopen today\nopen on"),
    "feature request": _phrases(
        "please add\nfeature request\nyou should add\nwould be nice\nwould be great\nadd support\nadd "
        "an option\nwish you "
    ),
    "how to": _phrases("how do i\nhow can i\nhow to\nhow do you\nwie kann ich\ncomment faire\ncómo puedo"),
    "job": _words("hiring career careers vacancy vacancies internship bewerbung emploi empleo"),
}

COMPLAINT_WORDS = frozenset(
    _words(
        "unacceptable terrible horrible awful pathetic ridiculous appalling disgusting disgusted "
        "disgraceful "
        "disappointed disappointing disappointment worst useless rubbish unhappy angry furious "
        "annoyed annoying frustrated frustrating frustration hacked stolen steal complaint complain "
        "complaining scam scammed scammers ripoff rip-off "
        "broken defective faulty damaged wrong incompetent joke shame sucks wtf "
        "beschwerde unverschämt enttäuscht enttäuschend schlecht katastrophe mies kaputt defekt "
        "ärgerlich "
        "inadmissible déçu déçue décevant honteux nul arnaque plainte cassé "
        "inaceptable decepcionado decepcionada pésimo horrible vergüenza queja roto estafa "
    )
)

NOT_ABLE = (
    "work load open connect respond print play start turn function login log sign get access find install "
    "update download let charge launch help "
)

COMPLAINT_PHRASES = (
    r"(?:is|are|was|does|do|did|has|have|had|can|could|will|would|wo|ca)n(?:o|')?t (?:even )?"
    rf"(?:{'|'.join(NOT_ABLE.split())})(?:ing|ed)?",
    *_phrases(
        r"""
        not (?:even )?(?:working|loading|opening|responding|happy|acceptable|receive|arrived|delivered|able)
        not (?:even )?(?:good enough|received)
        (?:does|did|will|is) not work(?:ing)?
        unable to \w+
        no (?:longer )?(?:works?|working|response|reply|answer|solution|luck)
        stopped working
        keeps? (?:crashing|freezing|failing|saying|asking|kicking|logging|getting|disconnecting)
        (?:keeps?|kept) \w+ing me
        still (?:waiting|not|no|haven't|hasn't|nothing|broken)
        never (?:received|arrived|got|came|again|buying)
        (?:has|have|had|having|got|getting|this|same) (?:an? |some |same |this )*(?:issue|problem|error)s?
        with (?:the |this )?(?:same )?(?:issue|problem|error)s?
        (?:has|have|had|having) trouble
        (?:been|got|was|get|gets|just) (?:hacked|scammed|banned|ignored|overcharged|ripped off|hung up on)
        (?:charged twice|locked (?:\w+ )?out|lost access)
        (?:fed up|sick) (?:of|with)
        waste of (?:time|money)
        (?:i )?want (?:my money|a refund)
        (?:poor|bad) (?:service|quality|experience|customer)
        fix (?:this|it|your|the)
        what(?:'s| is) going on
        funktioniert (?:nicht|nie|immer noch nicht)
        geht (?:nicht|nicht mehr)
        (?:warte|warten) (?:immer noch|seit)
        (?:noch )?nicht (?:angekommen|geliefert|erhalten|bekommen)
        ne (?:fonctionne|marche) (?:pas|plus)
        (?:toujours|jamais) (?:pas )?(?:reçu|livré|arrivé)
        no (?:funciona|sirve|llega|ha llegado|he recibido)
        """
    ),
)

PARCEL = r"(?:order|parcel|package|delivery|shipment|purchase|pre-?order)"

ORDER_PHRASES = (
    rf"where(?:'s| is| are) my (?:\w+ )?(?:{PARCEL}|stuff|items?)",
    rf"(?:status|tracking|update) (?:of|on|for) (?:my|the|an|our) (?:\w+ )?{PARCEL}",
    rf"(?:my|our|an|the|this) (?:last |recent |latest |online )?{PARCEL}",
    *_phrases(
        r"""
        order (?:no|nr|number|id|ref|status|confirmation|#)
        order ?#? ?\d{3,}
        tracking (?:number|id|code|link)
        (?:i|we) (?:have |just |already )*(?:ordered|bought|purchased|preordered|pre-ordered)
        (?:want|like|trying|need|going|looking|how|wish|able) to (?:order|buy|purchase|preorder|pre-order)
        (?:can|could|may|where) (?:i|we|you) (?:please )?(?:still )?(?:order|buy|purchase|get one)
        when (?:will|does|is) (?:my|the|it) (?:\w+ )?(?:be delivered|arrive|ship|order|parcel|delivery|coming)
        (?:meine|unsere|die) (?:bestellung|lieferung|sendung)
        (?:mein|das) paket
        (?:möchte|will|würde gern) (?:\w+ ){0,3}(?:bestellen|kaufen)
        (?:ma|notre) (?:commande|livraison)
        mon colis
        (?:mi|nuestro) (?:pedido|paquete|compra)
        """
    ),
)

HELP_PHRASES = _phrases(
    r"""
    (?:please|pls|plz) (?:help|advise|assist|let me know|dm)
    help (?:me|us|please|pls|plz|with)
    need (?:some |your |a )?(?:help|assistance|advice)
    any (?:help|advice|suggestions?|thoughts)
    (?:bitte|brauche) (?:um )?hilfe
    (?:besoin d'|à l')aide
    (?:necesito|por favor) ayuda
    """
)

PRAISE_WORDS = frozenset(
    _words(
        "love loved loving awesome amazing excellent fantastic brilliant wonderful perfect superb "
        "outstanding "
        "impressed thrilled delighted recommend danke dankeschön super toll großartig ausgezeichnet "
        "merci génial excellent parfait gracias genial excelente perfecto grazie obrigado obrigada "
        "bedankt "
    )
)

PRAISE_PHRASES = _phrases(
    r"""
    (?:great|good|nice|best) (?:service|job|work|support|experience|product|quality|app|customer|team|stuff)
    well done
    keep (?:it up|up the)
    (?:thanks|thank you|thankyou|thx|cheers)
    (?:works|working) (?:great|perfectly|fine now|again|now)
    (?:shout ?out|kudos|props) to
    you(?:'re| are| guys are| guys) (?:the best|great|awesome|amazing|rock)
    much appreciated
    appreciate (?:it|the|your|you)
    vielen dank
    sehr (?:gut|zufrieden|freundlich)
    muchas gracias
    """
)

ASKING_STARTS = frozenset(
    _words("what when where why who which how whats what's hows how's wheres where's whens anyone anybody")
    + _words("wie wo wann warum wieso weshalb welche welcher kann können comment pourquoi quand où combien")
    + _words("cómo cuándo cuánto dónde qué quién porqué")
    + _phrases(
        """can you
        can i
        can we
        can u
        can someone
        can anyone
        could you
        could i
        could someone
        would you
        will you
        will there
        do you
        do i
        does anyone
        does the
        does this
        did you
        is there
        is it
        is this
        is that
        is anyone
        are you
        are there
        am i
        may i
        should i
        shall i
        any idea
        any chance
        any way
        any eta
        any update
        any news
        any plans
        est-ce que
        pouvez-vous
        gibt es
        hay alguna"""
    )
)
