from django.urls import include, path

from shop.views import orders

urlpatterns = [
    path("orders", orders),
    path("", include("brokerweb.urls")),  # /api/v1/, /metrics
]
