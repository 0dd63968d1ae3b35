"""Specifies the views of the playground in Chromium, as a person would use them."""

from __future__ import annotations

import json
import re
from shutil import which
from typing import Any

import pytest
import requests

from tests.e2e.conftest import Product
from tests.e2e.playground.conftest import predict, result
from tests.e2e.test_serve import Server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(which("chromium") is None, reason="chromium is not installed"),
    pytest.mark.filterwarnings("ignore"),
]


def test_a_text_is_written_and_its_model_is_traced(visit: Any, server: Server) -> None:
    page = visit("write")
    page.get_by_label("Beginning of the text").fill("The train")
    page.get_by_text("Settings").click()
    for label, value in (("Maximum tokens", "12"), ("Temperature", "0"), ("Texts", "2")):
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Write").click()
    shown = result(page)
    request = {"prompt": "The train", "max_tokens": 12, "temperature": 0, "echo": True}
    answer = requests.post(f"{server.url}/v1/completions", json=request, timeout=60).json()
    texts = shown.locator(".written").all_text_contents()
    assert texts == [answer["choices"][0]["text"]] * 2
    assert answer["model_run"] in shown.inner_text()
    page.get_by_role("button", name="Lineage").click()
    tree = page.locator(".lineage")
    tree.get_by_text("pretrain", exact=True).first.wait_for()
    names = tree.locator(".node").all_inner_texts()
    assert names[0] == "pretrain"
    assert any("tokenizer" in name for name in names)


def test_a_stream_is_stopped(visit: Any) -> None:
    page = visit("write")
    page.get_by_text("Settings").click()
    page.get_by_label("Maximum tokens").fill("1000")
    page.get_by_label("Texts", exact=True).fill("8")
    before = page.locator("main .actions").bounding_box()
    page.get_by_role("button", name="Write").click()
    page.locator(".written").first.filter(has_text=re.compile(r".{60}", re.DOTALL)).wait_for()
    assert page.get_by_role("button", name="Write").get_attribute("aria-disabled") == "true"
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.", exact=True).wait_for()
    length = len(page.locator(".results").inner_text())
    assert page.locator("main .actions").bounding_box() == before
    page.wait_for_timeout(500)
    assert len(page.locator(".results").inner_text()) == length


def test_a_setting_out_of_range_is_shown_even_if_settings_are_closed(visit: Any) -> None:
    page = visit("write")
    page.get_by_text("Settings").click()
    page.get_by_label("Texts", exact=True).fill("9")
    page.get_by_text("Settings").click()
    page.get_by_role("button", name="Write").click()
    field = page.get_by_label("Texts", exact=True)
    assert field.is_visible()
    assert field.evaluate(
        "field => field.validity.rangeOverflow && field === document.activeElement"
    )


def test_a_chat_goes_on(visit: Any, server: Server) -> None:
    page = visit("chat")
    asked: list[Any] = []
    page.on(
        "request",
        lambda one: one.url.endswith("/chat/completions") and asked.append(one.post_data_json),
    )
    for number, text in enumerate(("Write a notice about the lamp.", "Thank you."), 1):
        page.get_by_label("Message").fill(text)
        page.keyboard.press("Enter")
        page.locator(".message.assistant .provenance").nth(number - 1).wait_for(timeout=60_000)
    assert page.locator(".message.user .text").all_inner_texts() == [
        "Write a notice about the lamp.",
        "Thank you.",
    ]
    answers = page.locator(".message.assistant .text").all_text_contents()
    assert [message["role"] for message in asked[1]["messages"]] == ["user", "assistant", "user"]
    assert asked[1]["messages"][1]["content"] == answers[0]
    assert {one["model"] for one in asked} == {"chat"}
    page.get_by_role("button", name="New chat").click()
    assert page.locator(".message").count() == 0


def test_an_empty_answer_is_no_part_of_the_chat(visit: Any, page: Any) -> None:
    event = {
        "model": "chat",
        "model_run": "r" * 32,
        "model_version": "2",
        "filtered": [],
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    }
    body = f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n"
    asked: list[Any] = []

    def respond(route: Any) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(body=body)

    page.route("**/v1/chat/completions", respond)
    visit("chat")
    for number, text in enumerate(("Are you there?", "Hello?")):
        page.get_by_label("Message").fill(text)
        page.keyboard.press("Enter")
        page.get_by_text("The answer is empty.").nth(number).wait_for()
    assert asked[1]["messages"] == [{"role": "user", "content": "Hello?"}]


OPEN_CHAT = """
globalThis.asked = [];
globalThis.hasText = false;
const reach = fetch;
globalThis.fetch = async (path, options) => {
  if (path !== "/v1/chat/completions") return reach(path, options);
  asked.push(JSON.parse(options.body));
  const start = (stream) => {
    if (hasText) stream.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(first)}\n\n`));
    options.signal.addEventListener("abort", () => stream.error(options.signal.reason));
  };
  return new Response(new ReadableStream({ start }));
};
"""
"""Answers of the chat API that go on until they are stopped."""


@pytest.mark.parametrize("has_text", [True, False])
def test_a_new_chat_forgets_an_answer_that_is_still_written(
    visit: Any, page: Any, has_text: bool
) -> None:
    event = {"model": "chat", "model_run": "r" * 32, "model_version": "2", "filtered": []}
    choice = {"index": 0, "delta": {"content": "Partial"}, "finish_reason": None}
    page.add_init_script(f"const first = {json.dumps(event | {'choices': [choice]})};" + OPEN_CHAT)
    visit("chat")
    page.get_by_label("Message").fill("An old question")
    if has_text:
        page.evaluate("hasText = true")
    page.keyboard.press("Enter")
    page.wait_for_function("asked.length === 1")
    if has_text:
        page.get_by_text("Partial").wait_for()
    page.get_by_role("button", name="New chat").click()
    page.get_by_text("Stopped.", exact=True).wait_for()
    assert page.get_by_label("Message").input_value() == ""
    assert page.locator(".message").count() == 0
    page.get_by_label("Message").fill("A new question")
    page.keyboard.press("Enter")
    page.wait_for_function("asked.length === 2")
    assert page.evaluate("asked[1].messages") == [{"role": "user", "content": "A new question"}]


def test_the_settings_that_are_shown_are_those_that_are_used(
    visit: Any, page: Any, server: Server
) -> None:
    overview = requests.get(f"{server.url}/v1/playground", timeout=60).json()
    assert overview["max_new_tokens"] != overview["most_new_tokens"]
    asked: list[Any] = []

    def note(route: Any) -> None:
        asked.append(route.request.post_data_json)
        route.abort()

    page.route("**/v1/completions", note)
    visit("chat")
    page.get_by_text("Settings").click()
    shown = page.get_by_label("Maximum tokens").input_value()
    assert shown == str(overview["most_new_tokens"])
    visit("write")
    page.get_by_text("Settings").click()
    assert page.get_by_label("Maximum tokens").input_value() == str(overview["max_new_tokens"])
    page.get_by_label("Temperature").fill("")
    page.get_by_role("button", name="Write").click()
    assert page.get_by_label("Temperature").evaluate("field => field.validity.valueMissing")
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_label("Top k").fill("")
    page.get_by_role("button", name="Write").click()
    page.get_by_role("alert").wait_for()
    del asked[0]["prompt"], asked[0]["seed"]
    assert asked == [{"temperature": 0.5, "top_k": None, "stream": True}]


def test_a_refusal_of_the_chat_keeps_the_message(visit: Any) -> None:
    page = visit("chat")
    page.get_by_label("Model", exact=True).select_option("backbone")  # without a chat template
    page.get_by_label("Message").fill("Hello")
    page.keyboard.press("Enter")
    problem = page.get_by_role("alert")
    problem.wait_for()
    assert "template" in problem.inner_text()
    assert page.get_by_label("Message").input_value() == "Hello"
    assert page.locator(".message").count() == 0


@pytest.mark.parametrize("task", ["topic", "entailment"])
def test_labels_have_bars(visit: Any, server: Server, task: str) -> None:
    page = visit(f"task/{task}")
    values = [field.input_value() for field in page.locator("form textarea").all()]
    page.get_by_role("button", name="Classify").click()
    shown = result(page)
    given = values[0] if task == "topic" else {"text": values[0], "text_pair": values[1]}
    prediction = predict(server, task, given)
    bars = shown.locator(".bars li")
    assert bars.first.locator(".name").inner_text().split("\n")[0].startswith(prediction["label"])
    assert bars.first.get_by_text("predicted").is_visible()
    shares = [float(one.split()[0]) for one in shown.locator(".bars .value").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.5)
    widths = [fill.bounding_box()["width"] for fill in shown.locator(".fill").all()]
    assert widths[0] / sum(widths) == pytest.approx(shares[0] / 100, abs=0.03)


def test_several_labels_are_all_marked(visit: Any, server: Server) -> None:
    page = visit("task/subjects")
    text = page.get_by_label("Text", exact=True).input_value()
    page.get_by_role("button", name="Classify").click()
    shown = result(page)
    chosen = {one["label"] for one in predict(server, "subjects", text)["labels"]}
    names = shown.locator(".bars .chosen .name").all_inner_texts()
    assert {name.removesuffix("predicted").strip() for name in names} == chosen
    assert shown.locator(".bars li").count() > len(chosen)


def test_entities_are_highlighted_by_characters_also_after_emoji(
    visit: Any, server: Server
) -> None:
    page = visit("task/ner")
    text = "🙂🙂 Emma Bauer works in Hamburg, and Otto Weber lives in Bremen."
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_role("button", name="Highlight").click()
    shown = result(page)
    found = predict(server, "ner", text)["entities"]
    assert found, "the small model finds nothing"
    marks = shown.locator("mark")
    assert marks.all_text_contents() == [one["text"] + one["type"] for one in found]
    plain = shown.locator("p.text").evaluate(
        "p => [...p.childNodes].map(n => n.firstChild ? n.firstChild.data : n.data).join('')"
    )
    assert plain == text


def test_roles_need_a_predicate_of_the_text(visit: Any, server: Server) -> None:
    page = visit("task/roles")
    page.get_by_label("Text", exact=True).fill("Emma opened the door 7 .")
    page.get_by_label("Predicate").fill("sang")
    page.get_by_role("button", name="Highlight").click()
    problem = page.locator(".results .notice.failed")
    problem.wait_for()
    page.get_by_label("Predicate").fill("opened")
    page.keyboard.press("Enter")
    shown = result(page)
    assert problem.count() == 0
    given = {"text": "Emma opened the door 7 .", "predicate": "opened"}
    found = predict(server, "roles", given)["entities"]
    assert shown.locator("mark").all_text_contents() == [one["text"] + one["type"] for one in found]


def test_an_answer_is_highlighted_in_the_passage(visit: Any, server: Server) -> None:
    page = visit("task/qa")
    question = page.get_by_label("Question").input_value()
    context = page.get_by_label("Passage").input_value()
    page.get_by_role("button", name="Answer").click()
    shown = result(page)
    prediction = predict(server, "qa", {"question": question, "context": context})
    if prediction["answer"]:
        assert shown.locator("mark").evaluate("m => m.firstChild.data") == prediction["answer"]
    else:
        assert shown.get_by_text("No answer in the text").is_visible()


def test_a_text_is_translated(visit: Any, server: Server) -> None:
    page = visit("task/translation")
    page.get_by_label("Text", exact=True).fill("Two children are playing.")
    page.keyboard.press("Control+Enter")
    shown = result(page)
    expected = predict(server, "translation", "Two children are playing.")["translation"]
    assert shown.locator(".block .text").inner_text().strip() == (expected.strip() or "(empty)")


def test_a_kind_that_the_page_does_not_know_has_a_form_and_an_answer(visit: Any, page: Any) -> None:
    model = {"name": "stars", "run": "r" * 32, "version": None}
    task = {
        "name": "stars",
        "kind": "rating",
        "does": "rates a text",
        "columns": ["product_name", "text"],
        "example": {"product_name": "lamp", "text": "It is bright."},
        "answer": ["stars", "summary", "reasons", "is_cut"],
        "model": model,
        "problem": None,
    }
    known = {"stars": 4.5, "summary": "bright", "labels": ["short", "kind"]}
    prediction = known | {"reasons": [], "is_cut": True}
    page.route("**/v1/tasks", lambda route: route.fulfill(json=[task]))
    page.route(
        "**/v1/tasks/stars/predict",
        lambda route: route.fulfill(json={"predictions": [prediction], "model": model}),
    )
    visit("task/stars")
    page.get_by_label("Product name").fill("chair")
    page.get_by_role("button", name="Predict").click()
    shown = result(page).inner_text()
    for words in ("4.5", "bright", "short, kind", "longer than the context", "not registered"):
        assert words in shown


def test_what_a_filter_did_is_shown(visit: Any, page: Any) -> None:
    finding = {"category": "personal_data", "action": "mask", "side": "prompt"}
    event = {"model": "backbone", "model_run": "r" * 32, "model_version": "2"}
    found = ({"start": 0, "end": 3}, {"start": 5, "end": 9})
    choices = [{"index": 0, "text": "x", "finish_reason": "content_filter"}]
    events = [event | {"filtered": [finding | span], "choices": choices} for span in found]
    body = "".join(f"data: {json.dumps(one)}\n\n" for one in events) + "data: [DONE]\n\n"
    page.route("**/v1/completions", lambda route: route.fulfill(body=body))
    visit("write")
    page.get_by_role("button", name="Write").click()
    shown = result(page).inner_text()
    assert "masked: personal data in the prompt (2 places)" in shown
    assert "A content filter has ended the text." in shown


def test_two_versions_are_compared_on_the_same_input(visit: Any, server: Server) -> None:
    page = visit("compare")
    versions = requests.get(f"{server.url}/v1/tasks/topic/versions", timeout=60).json()
    assert len(versions) == 2
    page.get_by_label("Text", exact=True).fill("The team won the final.")
    page.get_by_role("button", name="Compare").click()
    columns = page.locator(".results .card")
    columns.nth(1).locator(".provenance").wait_for(timeout=60_000)
    for number, label in enumerate(("Left", "Right")):
        chosen = page.get_by_label(label).input_value()
        [run] = [one["run"] for one in versions if one["version"] == chosen]
        assert run in columns.nth(number).inner_text()
    boxes = [columns.nth(number).bounding_box() for number in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert page.get_by_text(re.compile("same answer|answers differ")).is_visible()
    page.get_by_label("Task", exact=True).select_option("ner")
    page.get_by_text("only one registered version").wait_for()


def test_a_late_answer_does_not_replace_what_was_chosen_since(visit: Any, page: Any) -> None:
    held: list[Any] = []
    page.route("**/v1/tasks/ner/versions", lambda route: held.append(route))
    page.route("**/v1/models", lambda route: held.append(route))
    visit("compare")
    page.get_by_label("Task", exact=True).select_option("ner")
    page.get_by_label("Task", exact=True).select_option("qa")
    only = page.get_by_text(re.compile("The model of qa has (only one|no) registered version"))
    only.wait_for()
    page.get_by_role("link", name="Chat", exact=True).click()
    page.get_by_role("link", name="Compare").click()
    page.get_by_role("heading", name="Compare").wait_for()
    versions, models = held
    for route in (versions, models):
        with page.expect_response(route.request.url):
            route.fulfill(status=500, json={"error": {"message": "Late."}})
    page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 100))")
    assert only.is_visible()
    assert page.get_by_text("Late.").count() == 0


def test_a_run_survives_a_reload_and_can_be_stopped(
    visit: Any, page: Any, product: Product
) -> None:
    visit("runs")
    assert "--config demo" in page.get_by_label("Command").inner_text()
    for ending in ("Finished", "Stopped"):
        page.get_by_role("button", name="Start run").click()
        page.get_by_text("Running", exact=True).wait_for()
        page.reload()
        page.get_by_text("Running", exact=True).wait_for()
        page.locator(".output").filter(has_text=re.compile(r"\S")).wait_for(timeout=60_000)
        if ending == "Stopped":
            page.get_by_role("button", name="Stop run").click()
        page.locator(".state").filter(has_text=ending).wait_for(timeout=180_000)
        status = page.locator(".run-facts").inner_text()
        assert ("exit status\n0" in status) == (ending == "Finished")
