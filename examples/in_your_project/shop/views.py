from decimal import Decimal, InvalidOperation

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from shop.ordering import place_order


@csrf_exempt  # the example has no session to protect
@require_POST
def orders(request: HttpRequest) -> JsonResponse:
    """Place an order: ``customer`` and ``total`` as a form."""
    try:
        order = place_order(request.POST["customer"], Decimal(request.POST["total"]))
    except (KeyError, InvalidOperation, ValueError) as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse({"order": order.pk}, status=201)
