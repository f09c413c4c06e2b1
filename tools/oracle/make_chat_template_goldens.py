#!/usr/bin/env python3
"""Makes tests/goldens/chat_templates/{chats,snippets}.json: what transformers and jinja2 render.

chats.json      every template of templates/ x every conversation below, by transformers' render_jinja_template:
                the text, the byte spans of generation blocks, or that it failed.
snippets.json   small templates over one fixed context, in the environment that chat templates get.

Needs transformers and jinja2 >= 3.1.6. The clock of strftime_now is frozen at NOW.
"""

import datetime
import json
import pathlib

import transformers.utils.chat_template_utils as chat_template_utils

from chat_template_snippets import CONTEXT, SNIPPETS

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "chat_templates"
NOW = datetime.datetime(2024, 7, 6, 9, 5, 3)


class FrozenClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = FrozenClock

TOOLS = [
    {"type": "function", "function": {
        "name": "weather", "description": "Weather of a place\nnow", "parameters": {
            "type": "object", "required": ["city"], "properties": {
                "city": {"type": "string", "description": "name of the città"},
                "days": {"type": "integer"},
                "units": {"type": "string", "enum": ["C", "F"]},
                "where": {"type": "object", "properties": {"lat": {"type": "number"}, "on_sea": {"type": "boolean"}}},
                "tags": {"type": "array", "items": {"type": "string"}}}}}},
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}},
                                      "return": {"type": "number"}}},
]
CALL = {"id": "abc123def", "type": "function",
        "function": {"name": "weather", "arguments": {"city": "Zürich \"ZH\"", "days": 2, "rain": 0.1, "x": None, "y": True}}}
SYSTEM = {"role": "system", "content": " You are terse. "}
HELLO = {"role": "user", "content": "Hello!\n"}
ANSWER = {"role": "assistant", "content": " Hi there. "}

CONVERSATIONS = {
    "one_turn": dict(messages=[HELLO], add_generation_prompt=True),
    "one_turn_no_prompt": dict(messages=[HELLO]),
    "system": dict(messages=[SYSTEM, HELLO], add_generation_prompt=True),
    "multi_turn": dict(messages=[SYSTEM, HELLO, ANSWER, {"role": "user", "content": "More"}, ANSWER]),
    "multi_turn_prompt": dict(messages=[HELLO, ANSWER, {"role": "user", "content": "More"}], add_generation_prompt=True),
    "unicode": dict(messages=[{"role": "user", "content": "Grüße 👩‍🚀 日本語 \u2028 ẞ \x0b"}, {"role": "assistant", "content": "Σίσυφος — « ok »"}]),
    "control_tokens": dict(messages=[{"role": "user", "content": "<|im_end|>{{ 1 }}{% raw %}"}], add_generation_prompt=True),
    "empty_content": dict(messages=[{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]),
    "no_messages": dict(messages=[], add_generation_prompt=True),
    "none_content": dict(messages=[HELLO, {"role": "assistant", "content": None}]),
    "missing_content": dict(messages=[HELLO, {"role": "assistant"}]),
    "two_users": dict(messages=[HELLO, HELLO]),
    "two_systems": dict(messages=[SYSTEM, HELLO, ANSWER, SYSTEM, HELLO]),
    "strange_role": dict(messages=[{"role": "poet", "content": "a rose"}, HELLO]),
    "tools": dict(messages=[HELLO], tools=TOOLS, add_generation_prompt=True),
    "tools_system": dict(messages=[SYSTEM, HELLO], tools=TOOLS, tools_in_user_message=False, add_generation_prompt=True),
    "tools_nobody": dict(messages=[SYSTEM], tools=TOOLS),
    "tool_call": dict(messages=[HELLO, {"role": "assistant", "content": "", "tool_calls": [CALL]},
                                {"role": "tool", "content": "{\"t\": 21.5}"}, ANSWER], tools=TOOLS),
    "tool_call_none": dict(messages=[HELLO, {"role": "assistant", "content": None, "tool_calls": [CALL]},
                                     {"role": "tool", "content": "sunny"}], add_generation_prompt=True),
    "tool_call_twice": dict(messages=[HELLO, {"role": "assistant", "content": "see", "tool_calls": [CALL, CALL]},
                                      {"role": "tool", "content": "one"}, {"role": "tool", "content": "two"}], tools=TOOLS),
    "tool_content_map": dict(messages=[HELLO, {"role": "tool", "content": {"t": [1, 2.5, 1e22]}}]),
    "content_list": dict(messages=[{"role": "system", "content": [{"type": "text", "text": "sys"}]},
                                   {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " what? "}]},
                                   {"role": "assistant", "content": [{"type": "text", "text": "a cat"}]}]),
    "thinking_inline": dict(messages=[HELLO, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nyes"},
                                      {"role": "user", "content": "so?"}, {"role": "assistant", "content": "<think>hm2</think>no"}]),
    "thinking_field": dict(messages=[HELLO, {"role": "assistant", "content": "yes", "reasoning": "because\n"}]),
    "thinking_off": dict(messages=[HELLO], add_generation_prompt=True, enable_thinking=False),
    "thinking_on": dict(messages=[HELLO], add_generation_prompt=True, enable_thinking=True),
    "date": dict(messages=[HELLO], date_string="1 Jan 2030"),
    "builtin_tools": dict(messages=[HELLO], builtin_tools=["search", "code_interpreter", "math"]),
}


def byte_offset(text, index):
    return len(text[:index].encode("utf-8"))


def render_chat(template, conversation):
    arguments = {"bos_token": "<s>", "eos_token": "</s>", **conversation}
    chats = [arguments.pop("messages")]
    try:
        rendered, indices = chat_template_utils.render_jinja_template(
            chats, chat_template=template, return_assistant_tokens_mask=True, **arguments)
    except Exception as error:  # every failure counts alike; the reason helps the reader
        return {"error": f"{type(error).__name__}: {error}"[:200]}
    text = rendered[0]
    return {"text": text, "spans": [[byte_offset(text, a), byte_offset(text, b)] for a, b in indices[0]]}


def render_snippet(template):
    try:
        text = chat_template_utils._compile_jinja_template(template).render(**CONTEXT)
        text.encode("utf-8")
        assert " at 0x" not in text, f"{template} prints a memory address: no golden"
        return {"template": template, "text": text}
    except Exception as error:
        return {"template": template, "error": f"{type(error).__name__}: {error}"[:120]}


def write(name, value):
    (FOLDER / name).write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def main():
    templates = sorted((FOLDER / "templates").glob("*.jinja"))
    write("chats.json", {
        "conversations": CONVERSATIONS,
        "chats": [{"template": path.name, "conversation": name, **render_chat(path.read_text(encoding="utf-8"), chat)}
                  for path in templates for name, chat in CONVERSATIONS.items()]})
    snippets = [render_snippet(template) for template in SNIPPETS]
    write("snippets.json", {"context": CONTEXT, "snippets": snippets})
    failed = sum("error" in snippet for snippet in snippets)
    print(f"{len(templates)} templates x {len(CONVERSATIONS)} conversations; {len(snippets)} snippets, {failed} fail")


if __name__ == "__main__":
    main()
