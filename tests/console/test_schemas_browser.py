"""Schemas in a real browser: a file is brought in, and what it holds for is read by it."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.clients import Rest
from tests.console.browser import Visit
from tests.decoding.test_by_schema import COMMON, SHOP, descriptors

pytestmark = pytest.mark.long
ORDER = b"\x28\x05\x4a\x04ring\xc8\x02\x03\xd2\x02\x0a\x08" + b"\xff" * 8 + b"\x7f"  # of which the price is 2**63 - 1


def test_a_descriptor_set_is_brought_in_and_names_what_a_body_is(visit: Visit, rest: Rest, tmp_path: Path):
    page = visit.page
    rest.declare("orders")
    [made] = rest.publish("orders", {"body_base64": b64encode(ORDER).decode(), "content_type": "application/x-protobuf"})
    place = f"/queues/orders/messages/{made['id']}"
    page.goto(place)
    expect(page.get_by_text("Read as Protobuf.")).to_be_visible()
    page.goto("/schemas")
    page.get_by_role("link", name="New schema").click()
    page.get_by_label("Name").fill("shop")
    page.get_by_label("Kind").select_option("protobuf")
    page.get_by_label("Holds for").fill("queue:orders")
    page.get_by_label("Message", exact=True).fill("Order")
    for files, said in (([SHOP], "lacks common.proto"), ([COMMON, SHOP], "but shop.Order, common.Money")):
        file = tmp_path / "shop.binpb"
        file.write_bytes(descriptors(*files))
        page.get_by_label("File").set_input_files(file)
        page.get_by_role("button", name="Create schema").click()
        expect(page.get_by_text(said)).to_be_visible()
    visit.wrong = [what for what in visit.wrong if "400" not in what]
    assert visit.axe() == []
    page.get_by_label("Message", exact=True).fill("shop.Order")
    page.get_by_label("File").set_input_files(tmp_path / "shop.binpb")
    page.get_by_role("button", name="Create schema").click()
    expect(page.get_by_text("Schema shop is there")).to_be_visible()
    page.goto(place)
    expect(page.get_by_text("Read as Protobuf by the schema shop.")).to_be_visible()
    tree = page.locator("#body-tree")
    for told in ("a_string", "ring", "SENT", "units", str(2**63 - 1)):
        expect(tree).to_contain_text(told)
    assert visit.axe() == []
    page.get_by_label("Otherwise, as").select_option("protobuf")
    page.get_by_role("button", name="Read", exact=True).click()
    expect(page.get_by_text("Read as Protobuf.")).to_be_visible()


def test_a_body_that_does_not_fit_says_so_in_both_themes(visit: Visit, rest: Rest):
    rest.declare("texts")
    rest.call("PUT", "/schemas/texts", {"kind": "avro", "pattern": "queue:texts", "source": '"string"'})
    [made] = rest.publish("texts", {"body_base64": b64encode(b"\x81\xa1a\x01").decode()})
    for theme in ("light", "dark"):
        visit.page.emulate_media(color_scheme=theme)
        visit.page.goto(f"/queues/texts/messages/{made['id']}")
        expect(visit.page.get_by_text("It does not read as Avro by the schema texts.")).to_be_visible()
        expect(visit.page.get_by_text("Read as MessagePack, by its looks")).to_be_visible()
        assert visit.axe() == []
