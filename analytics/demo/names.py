"""Names and places of the people who shop at the demo shop."""

from __future__ import annotations

from typing import Final

COUNTRIES: Final = (
    ("LU", "en", 0.34),
    ("GB", "en", 0.20),
    ("IE", "en", 0.12),
    ("NL", "en", 0.10),
    ("FR", "fr", 0.09),
    ("DE", "de", 0.08),
    ("ES", "es", 0.07),
)
"""Country, the language people there mostly write to the shop in, part of all customers."""

CITIES: Final = {
    "LU": ("Luxembourg", "Esch", "Differdange", "Mersch"),
    "GB": ("Leeds", "Bristol", "Norwich", "Glasgow", "London"),
    "IE": ("Cork", "Galway", "Dublin"),
    "NL": ("Utrecht", "Haarlem", "Groningen"),
    "FR": ("Nancy", "Metz", "Lyon", "Nantes"),
    "DE": ("Trier", "Köln", "Leipzig"),
    "ES": ("Valencia", "Bilbao", "Sevilla"),
}

FIRST: Final = {
    "en": (
        "Agnes Alun Amara Bridget Callum Ciara Dara Declan Edie Eluned Esme Farah Fergus Gareth Gwen Harriet "
        "Imogen Isla Jasper Joan Kerry Kofi Leila Lorcan Mabel Maeve Moira Nadia Niall Olwen Orla Oscar Percy "
        "Priya Quentin Rhys Rosalind Ruben Saoirse Selma Sian Tariq Tessa Una Vera Wendell Winnie Yusuf Zadie"
    ).split(),
    "fr": (
        "Adèle Baptiste Camille Clément Delphine Élodie Fabien Gaëlle Hugo Inès Julien Lucie Margaux Noémie "
        "Olivier Pauline Rémi Solène Thibault Yann"
    ).split(),
    "de": (
        "Anke Bernd Carla Dörte Emil Frieda Gerrit Hanna Ingo Jule Karsten Lotte Matthias Nele Ole Petra "
        "Ruth Sönke Tilda Uwe"
    ).split(),
    "es": (
        "Alba Beatriz Carmen Diego Elena Fermín Gloria Hugo Íñigo Jimena Lucía Marcos Nuria Óscar Pilar Rocío "
        "Sergio Teresa Vicente Ximena"
    ).split(),
}

COMMON_FAMILIES: Final = {
    "en": (
        "Abbott Ainsley Barrow Bevan Birch Brannigan Calder Carrow Chowdhury Corrigan Dalby Devlin Ellery "
        "Farrow Finch Gallagher Garside Hale Hanlon Hargrave Iqbal Jessop Keane Kinsella Lacey Llewellyn "
        "Mackie Marlowe Mensah Nolan Oakes Okonkwo Pascoe Penhale Quill Rafferty Rao Redfern Sayer Shah "
        "Sweeney Tully Underhill Vance Wainwright Weir Yardley"
    ).split(),
    "fr": (
        "Aubert Bonnet Chevalier Delorme Escoffier Fabre Garnier Hamel Jourdan Lacroix Marchand Nivelle "
        "Perrin Renaud Sabatier Tissot Vasseur"
    ).split(),
    "de": (
        "Ahrens Brandt Clasen Dreyer Eggers Falk Gerlach Hinrichs Jansen Kröger Lindner Maurer Nissen Ostertag "
        "Petersen Reimers Sauer Thoma Vogt"
    ).split(),
    "es": (
        "Aguirre Bravo Castaño Domingo Echeverría Ferrer Galán Herrero Ibáñez Lozano Marín Navarro Ortega "
        "Pascual Quiroga Rivas Salas Toledo Vidal"
    ).split(),
}

RARE_FAMILIES: Final = {
    "en": (
        "Abernathy Ackroyd Alderton Appleyard Arkwright Ashdown Atherley Baddeley Bainbridge Balfour Bancroft Beckwith "
        "Bellamy Bickerstaff Blackwood Blenkinsop Boswell Bracewell Bramley Brockhurst Burnley Cadwallader Calloway "
        "Carmichael Chadwick Chalmers Cheetham Clutterbuck Cobham Colquhoun Coverdale Cranfield Crawshaw Culpepper "
        "Cuthbert Dalrymple Davenport Deakin Dewhurst Dinsdale Drummond Dunstable Eastwood Eccleston Egerton Elphick "
        "Entwistle Fairclough Fanshawe Featherstone Fitzgerald Flanagan Fothergill Frobisher Galbraith Gascoigne "
        "Gillespie Glossop Goddard Golightly Grantham Greenhalgh Grimshaw Haddock Halliwell Hampshire Hathersage "
        "Haversham Hebblethwaite Higginbotham Hollingworth Honeycutt Horsfall Huddlestone Illingworth Inglethorpe "
        "Jellicoe Kavanagh Kettlewell Kilpatrick Kitchener Langridge Leatherby Lightfoot Livesey Lockwood Longbottom "
        "Macallister Macready Mallinson Massingham Matheson Mayhew Merriweather Micklewright Montague Murgatroyd "
        "Nethercott Nightingale Northcote Oglethorpe Ollerenshaw Osgood Oxenham Paddington Palgrave Pemberton "
        "Pettigrew Pickersgill Pilkington Postlethwaite Prendergast Quarmby Quigley Radcliffe Ramsbottom Rathbone "
        "Ravenscroft Rowbotham Rutherford Saltonstall Satterthwaite Scargill Shackleton Sheepshanks Sidebottom "
        "Skeffington Smethurst Somerville Southgate Spofforth Stapleton Starkweather Strickland Summerscale "
        "Sutcliffe Swainson Tattersall Thistlethwaite Threlkeld Throckmorton Tillotson Trelawney Twelvetrees "
        "Uppingham Vickerstaff Waddington Walmsley Warburton Waterhouse Weatherby Wetherill Whittaker Wigglesworth "
        "Winterbourne Witherspoon Wolstenholme Woodhouse Worthington Wrigglesworth Yarborough Younghusband"
    ).split(),
    "fr": (
        "Abadie Archambault Baudelot Beauchamp Bellerose Blanchard Bousquet Bretonneau Cazenave Charbonnier Coulombe "
        "Courtois Darnault Desjardins Duquesne Estève Faucheux Fontanel Gauthier Giraudet Guillemot Haudebert "
        "Jacquemin Kerbrat Laborde Lefranc Lemoine Malherbe Maupassant Mercadier Montreuil Noailles Oudin Pelletier "
        "Poincelet Quesnel Rambert Roussel Saulnier Taillandier Thévenet Urbain Valcourt Verdier Villard"
    ).split(),
    "de": (
        "Achterberg Bachmann Biermann Brinkhoff Conradi Dammann Eichhorn Esser Fassbender Feldkamp Gottschalk "
        "Grünewald Hagedorn Heitmann Holtkamp Itzenplitz Jungblut Kaltenbach Kleinschmidt Kuhlmann Langhans Leverkühn "
        "Marquardt Mittelstädt Neumeister Oberländer Pfeiffer Quandt Rautenberg Rosendahl Schaffrath Sperling "
        "Stockhausen Tiedemann Uhlenbrock Vollmer Wagenknecht Weidenfeld Wiesengrund Zimmerling"
    ).split(),
    "es": (
        "Abascal Alcántara Arizmendi Barrionuevo Benavides Bustamante Calatrava Cebrián Cifuentes Covarrubias "
        "Escribano Espinosa Fuentes Gallardo Goicoechea Guijarro Hinojosa Izquierdo Jaramillo Larrañaga Llorente "
        "Maldonado Manzanares Mendizábal Montalbán Olivares Pedraza Peñalver Quintana Recalde Sagasta Santamaría "
        "Tejedor Urrutia Valdivieso Villalobos Yáñez Zamarripa Zubiri Zurbarán"
    ).split(),
}
