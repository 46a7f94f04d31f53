import unittest
from dataclasses import dataclass
from typing import Literal

from saker import SettingsError, setting
from saker.settings import parse, schema


@dataclass
class Limit:
    name: str
    most: float = 0.5


@dataclass
class Sample:
    url: str = setting(doc="Where to.")
    most: int = setting(7, doc="How many, at the most.")
    form: Literal["json", "influx"] = "json"
    names: list[str] = setting([], doc="Whom.")
    table: dict[str, int] = setting({}, doc="How often.")
    limits: list[Limit] = setting([], doc="How far.")
    share: float | None = None
    verbose: bool = False


class Tests(unittest.TestCase):
    def error(self, text):
        with self.assertRaises(SettingsError) as caught:
            parse(Sample, text)
        return str(caught.exception)

    def test_defaults_fill_what_is_left_out(self):
        self.assertEqual(parse(Sample, '{"url": "u"}'), Sample("u", 7, "json", [], {}, [], None, False))

    def test_every_type_is_read(self):
        text = """{"url": "u", "most": 1, "form": "influx", "names": ["a"], "table": {"b": 2},
                   "limits": [{"name": "c", "most": 1}], "share": 3, "verbose": true}"""
        self.assertEqual(parse(Sample, text), Sample("u", 1, "influx", ["a"], {"b": 2}, [Limit("c", 1.0)], 3.0, True))

    def test_a_default_of_one_instance_is_not_another_s(self):
        parse(Sample, '{"url": "u"}').names.append("a")
        self.assertEqual(parse(Sample, '{"url": "u"}').names, [])

    def test_a_wrong_setting_is_named_with_what_to_write(self):
        for text, message in [
            ("{}", "url: missing, and it has no default"),
            ("[]", "expected a table, found []"),
            ('{"url": 1}', "url: expected a string, found 1"),
            ('{"url": null}', "url: expected a string, found null"),
            ('{"url": "u", "most": true}', "most: expected a whole number, found true"),
            ('{"url": "u", "most": 1.5}', "most: expected a whole number, found 1.5"),
            ('{"url": "u", "share": "x"}', 'share: expected a number, found "x"'),
            ('{"url": "u", "verbose": 0}', "verbose: expected true or false, found 0"),
            ('{"url": "u", "form": "xml"}', 'form: expected one of json, influx, found "xml"'),
            ('{"url": "u", "names": "a"}', 'names: expected a list, found "a"'),
            ('{"url": "u", "names": ["a", 2]}', "names: item 1: expected a string, found 2"),
            ('{"url": "u", "table": {"b": "2"}}', 'table: b: expected a whole number, found "2"'),
            ('{"url": "u", "limits": [{}]}', "limits: item 0: name: missing, and it has no default"),
            ('{"url": "u", "mots": 1}',
             "mots: no such setting; there is url, most, form, names, table, limits, share, verbose"),
        ]:
            self.assertEqual(self.error(text), message)
        self.assertIn("line 1", self.error("{"))

    def test_the_schema_tells_types_defaults_and_documentation(self):
        about = schema(Sample)
        self.assertEqual(about["required"], ["url"])
        self.assertIs(about["additionalProperties"], False)
        properties = about["properties"]
        self.assertEqual(properties["most"],
                         {"type": "integer", "description": "How many, at the most.", "default": 7})
        self.assertEqual(properties["form"], {"type": "string", "enum": ["json", "influx"], "default": "json"})
        self.assertEqual(properties["names"]["items"], {"type": "string"})
        self.assertEqual(properties["table"]["additionalProperties"], {"type": "integer"})
        self.assertEqual(properties["limits"]["items"]["required"], ["name"])
        self.assertEqual(properties["share"], {"type": "number"})

    def test_a_type_that_settings_cannot_have_is_an_error(self):
        for kind in [bytes, list, tuple[int, int], dict[int, str], int | str, Literal[1]]:
            with self.assertRaisesRegex(TypeError, "^settings cannot be of the type "):
                schema(kind)
