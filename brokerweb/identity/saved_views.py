"""Addresses of the console's lists that people keep under a name, for themselves or for everybody. Few, and short."""

from __future__ import annotations

from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.identity.models import SavedView

MOST, MOST_SHARED = 100, 500  # of one person; that all people share
LONGEST, LONGEST_QUERY, LONGEST_PATH = 100, 2_000, 500  # characters


class Address(NamedTuple):
    """Where a list is, and what it is asked for."""

    path: str
    query: str


def seen_by(user: int) -> QuerySet[SavedView]:
    """A person's own, and those that others share, by name."""
    return SavedView.objects.filter(Q(user_id=user) | Q(shared=True)).select_related("user").order_by("name", "pk")


def of_list(user: int, path: str) -> list[SavedView]:
    """Those of one list that the person sees."""
    return list(seen_by(user).filter(path=path))


def preferred(user: int, path: str) -> SavedView | None:
    """What opens where the person asks for the list alone."""
    return SavedView.objects.filter(user_id=user, path=path, preferred=True).first()


def save(user: int, address: Address, name: str, *, shared: bool = False, prefer: bool = False) -> SavedView:
    """A new one. Raises Invalid, and Conflict for a name that the person has given already, and for one too many."""
    name = check(name)
    if len(address.query) > LONGEST_QUERY or len(address.path) > LONGEST_PATH:
        raise Invalid.at("/query", f"an address of at most {LONGEST_QUERY} characters can be kept")
    with transaction.atomic():
        if SavedView.objects.filter(user_id=user).count() >= MOST:
            raise Conflict(f"One keeps at most {MOST} views. Delete some first.")
        if shared:
            _check_shared()
        made = _stored(
            SavedView(user_id=user, path=address.path, query=address.query, name=name, shared=shared, created_at=clock.wall())
        )
        if prefer:
            _prefer(made)
    return made


def rename(view: SavedView, name: str) -> None:
    """Call it otherwise. Raises Invalid, Conflict."""
    view.name = check(name)
    with transaction.atomic():
        _stored(view)


def share(view: SavedView, shared: bool) -> None:
    """Show it to everybody, or to its owner alone. Raises Conflict for one too many."""
    with transaction.atomic():
        if shared and not view.shared:
            _check_shared()
        SavedView.objects.filter(pk=view.pk).update(shared=shared)


def prefer(view: SavedView, preferred: bool) -> None:
    """It opens where its owner asks for the list alone, or no longer does."""
    with transaction.atomic():
        if preferred:
            _prefer(view)
        else:
            SavedView.objects.filter(pk=view.pk).update(preferred=False)


def delete(view: SavedView) -> None:
    SavedView.objects.filter(pk=view.pk).delete()


def find(user: int, view: int, *, admin: bool = False) -> SavedView:
    """One that the person may change: their own, or for an administrator a shared one. Raises NotFound."""
    mine = Q(user_id=user) | Q(shared=True) if admin else Q(user_id=user)
    found = SavedView.objects.filter(mine, pk=view).select_related("user").first()
    if found is None:
        raise NotFound("There is no such view of yours.")
    return found


def check(name: str) -> str:
    """The name, without blanks around it. Raises Invalid."""
    name = " ".join(name.replace("\0", "").split())
    if not 1 <= len(name) <= LONGEST:
        raise Invalid.at("/name", f"a view's name has 1 to {LONGEST} characters")
    return name


def _check_shared() -> None:
    if SavedView.objects.filter(shared=True).count() >= MOST_SHARED:
        raise Conflict(f"People share at most {MOST_SHARED} views. Somebody has to delete some first.")


def _prefer(view: SavedView) -> None:
    SavedView.objects.filter(user_id=view.user_id, path=view.path, preferred=True).update(preferred=False)
    SavedView.objects.filter(pk=view.pk).update(preferred=True)


def _stored(view: SavedView) -> SavedView:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError:
        raise Conflict(f"You have a view called {view.name} here already.") from None
    return view
