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

LAST: Final = {
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
