"""Ask PDFium for characters and drawn objects by plain numbers.

The library's own binding makes several objects for every question, and there are four questions a character: that was
half the time of reading. Here a handle is an address, and answers come in one buffer.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

import pypdfium2.raw as pdfium  # type: ignore[import-untyped]


def _bound(name: str, answer: Any) -> Any:
    """Give a function that takes handles and integers as they are: it would look up types of arguments at each call."""
    address = ctypes.cast(getattr(pdfium, name), ctypes.c_void_p).value
    assert address is not None, name
    return ctypes.CFUNCTYPE(answer)(address)


Handle: TypeAlias = ctypes.c_void_p

code_of = _bound("FPDFText_GetUnicode", ctypes.c_uint)
"""(text page, index) -> code point."""
object_of = _bound("FPDFText_GetTextObject", ctypes.c_void_p)
"""(text page, index) -> address of the text object the character belongs to, None if it has none."""
is_generated = _bound("FPDFText_IsGenerated", ctypes.c_int)
"""(text page, index) -> 1 for a space that the library put in itself, which is in no file."""
_mode_of = _bound("FPDFTextObj_GetTextRenderMode", ctypes.c_int)
_char_box = _bound("FPDFText_GetCharBox", ctypes.c_int)
_char_origin = _bound("FPDFText_GetCharOrigin", ctypes.c_int)
_font_of = _bound("FPDFText_GetFontInfo", ctypes.c_ulong)
_size_of = _bound("FPDFText_GetFontSize", ctypes.c_double)
_matrix_of = _bound("FPDFText_GetMatrix", ctypes.c_int)
_objects_of_page = _bound("FPDFPage_CountObjects", ctypes.c_int)
_object_of_page = _bound("FPDFPage_GetObject", Handle)
_objects_of_form = _bound("FPDFFormObj_CountObjects", ctypes.c_int)
_object_of_form = _bound("FPDFFormObj_GetObject", Handle)
_type_of = _bound("FPDFPageObj_GetType", ctypes.c_int)
_bounds_of = _bound("FPDFPageObj_GetBounds", ctypes.c_int)

_places = (ctypes.c_double * 6)()
_edges = (ctypes.c_float * 4)()
_matrix = (ctypes.c_float * 6)()
_name = ctypes.create_string_buffer(128)
_flags = ctypes.c_int()
_LEFT, _RIGHT, _BOTTOM, _TOP, _X, _Y = (Handle(ctypes.addressof(_places) + 8 * number) for number in range(6))
_EDGES = tuple(Handle(ctypes.addressof(_edges) + 4 * number) for number in range(4))
_six_numbers = struct.Struct("6d").unpack_from


def handle_of(known: Any) -> Handle:
    """Give a handle of the library's binding as one of these functions."""
    return ctypes.cast(known, Handle)


def place_of(text: Handle, index: int) -> tuple[float, ...] | None:
    """Give left, right, bottom and top of a character's ink, and x and y of its origin, in the page's own units."""
    if not _char_box(text, index, _LEFT, _RIGHT, _BOTTOM, _TOP):
        return None
    _char_origin(text, index, _X, _Y)
    return _six_numbers(_places)


def font_of(text: Handle, index: int) -> tuple[bytes, float, list[float] | None]:
    """Give name, size and matrix (a, b, c, d, e, f) of what a character is set in; None for no matrix."""
    _name.value = b""
    _font_of(text, index, _name, ctypes.c_ulong(len(_name)), ctypes.byref(_flags))
    has_matrix = _matrix_of(text, index, _matrix)
    return _name.value, _size_of(text, index), _matrix[:] if has_matrix else None


def is_invisible(thing: int) -> bool:
    """Whether the text object at this address is drawn with neither fill nor stroke."""
    return bool(_mode_of(Handle(thing)) == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE)


def drawn(page: Handle, kinds: frozenset[int], *, in_forms: bool = False) -> Iterator[tuple[int, list[float]]]:
    """Give kind, and left, bottom, right and top, of what a page draws; `in_forms` also of what its forms draw."""
    for number in range(_objects_of_page(page)):
        thing = Handle(_object_of_page(page, number))
        kind = _type_of(thing)
        if kind in kinds and _bounds_of(thing, *_EDGES):
            yield kind, _edges[:]
        if in_forms and kind == pdfium.FPDF_PAGEOBJ_FORM:
            for inner in range(_objects_of_form(thing)):
                part = Handle(_object_of_form(thing, ctypes.c_ulong(inner)))
                if (kind := _type_of(part)) in kinds and _bounds_of(part, *_EDGES):
                    yield kind, _edges[:]
