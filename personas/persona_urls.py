"""Addresses of personas: the gallery, side by side, made by hand, and how they are found."""

from django.urls import path

from personas import model_views, persona_views

urlpatterns = [
    path("personas/", persona_views.persona_list, name="persona-list"),
    path("personas/compare/", persona_views.persona_compare, name="persona-compare"),
    path("personas/new/", persona_views.persona_make, name="persona-make"),
    path("personas/model/", model_views.model_page, name="model"),
    path("personas/model/habits/", model_views.model_features, name="model-features"),
    path("personas/model/fit/", model_views.model_fit, name="model-fit"),
    path("personas/model/<int:pk>/<slug:what>/", model_views.model_act, name="model-act"),
    path("personas/<int:pk>/members/", persona_views.persona_members, name="persona-members"),
    path("personas/<int:pk>/act/<slug:what>/", persona_views.persona_act, name="persona-act"),
]
