"""Under /p/: what customers open by a signed link, and the form by which they sign up."""

from django.urls import path

from crm.preferences import views

app_name = "preferences"
urlpatterns = [
    path("sign-up/", views.sign_up, name="sign-up"),
    path("confirm/<str:token>/", views.confirm_page, name="confirm"),
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
    path("<str:token>/", views.page, name="page"),
    path("<str:token>/<slug:what>/", views.save, name="save"),
]
