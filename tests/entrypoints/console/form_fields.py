"""The fields of a form, as a browser would send them."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class FormFields(HTMLParser):
    """What the form of an id would send without a button: ``fields`` has the values by name, in their order."""

    def __init__(self, html: str, form_id: str) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self._form_id = form_id
        self._is_in = False
        self._select = ""
        self._chosen: str | None = None
        self._textarea: str | None = None
        self._text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a field."""
        given = dict(attrs)
        if tag == "form":
            self._is_in = given.get("id") == self._form_id
        if not self._is_in:
            return
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "input" and name:
            is_box = given.get("type") in ("checkbox", "radio")
            if not is_box or "checked" in given:
                self.fields.setdefault(name, []).append(value)
        elif tag == "select":
            self._select, self._chosen = name, None
        elif tag == "option" and self._select:
            if "selected" in given or self._chosen is None:
                self._chosen = value
        elif tag == "textarea":
            self._textarea, self._text = name, ""

    def handle_data(self, data: str) -> None:
        """Note the text of a textarea."""
        if self._textarea is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        """End a field, or the form."""
        if tag == "form":
            self._is_in = False
        elif tag == "select" and self._select:
            self.fields.setdefault(self._select, []).append(self._chosen or "")
            self._select = ""
        elif tag == "textarea" and self._textarea is not None:
            # A browser drops the first break of a line, and sends each as the same two characters.
            text = re.sub(r"\r\n?", "\n", self._text).removeprefix("\n").replace("\n", "\r\n")
            self.fields.setdefault(self._textarea, []).append(text)
            self._textarea = None
