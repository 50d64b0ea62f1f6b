"""Finds functions in C++ source by its braces: enough to measure them, no parser."""

import dataclasses
import re

RAW_STRING = re.compile(r'R"([^()\\\s]{0,16})\(')
TYPE = re.compile(r"(^|\s)(class|struct|union|enum)\s")
ACCESS = re.compile(r"(\s*(public|private|protected)\s*:)*")
CONTROL = re.compile(r"^(if|for|while|switch|catch|do|else|try|return)\b")
NAME = re.compile(r"(operator\s*[^\s(]+|operator\(\)|[\w:~]+)\s*\(")


@dataclasses.dataclass(frozen=True)
class Function:
    name: str
    first_line: int  # of its signature, counted from 1
    last_line: int  # of its closing brace


def blank(text):
    """The text with comments, literals and preprocessor lines turned into spaces; line numbers stay."""
    out = []
    i = 0
    at_line_start = True
    while i < len(text):
        end = token_end(text, i, at_line_start)
        if end is None:
            out.append(text[i])
            at_line_start = text[i] == "\n" or (at_line_start and text[i].isspace())
            i += 1
            continue
        out.append(re.sub(r"[^\n]", " ", text[i:end]))
        at_line_start = False
        i = end
    return "".join(out)


def token_end(text, i, at_line_start):
    """The end of the comment, literal or directive that starts at i, or None when none does."""
    if text.startswith("//", i):
        return end_of_line(text, i)
    if text.startswith("/*", i):
        return end_after(text, "*/", i + 2)
    if at_line_start and text[i] == "#":
        return end_of_line(text, i)
    raw = RAW_STRING.match(text, i)
    if raw and not (i and text[i - 1].isalnum()):
        return end_after(text, ")" + raw[1] + '"', raw.end())
    if text[i] == '"':
        return end_of_literal(text, i)
    if text[i] == "'" and not (i and text[i - 1].isalnum()):  # else a digit separator
        return end_of_literal(text, i)
    return None


def end_of_line(text, i):
    while True:
        end = text.find("\n", i)
        if end < 0:
            return len(text)
        if text[end - 1] != "\\":
            return end
        i = end + 1


def end_after(text, mark, i):
    end = text.find(mark, i)
    return len(text) if end < 0 else end + len(mark)


def end_of_literal(text, i):
    quote = text[i]
    i += 1
    while i < len(text) and text[i] not in (quote, "\n"):
        i += 2 if text[i] == "\\" else 1
    return min(i + 1, len(text))


def kind_of(header):
    """What a brace opens, from the text before it: "scope" holds functions, "function" is one, "block" is neither."""
    header = re.sub(r"\[\[[^\]]*\]\]", " ", header).strip()
    header = re.sub(r"^template\s*<.*?>\s*(?=\w)", "", header, flags=re.S)
    if header.startswith(("namespace", "inline namespace", "extern")) and "(" not in header:
        return "scope"
    if "(" not in header or CONTROL.match(header):
        return "scope" if TYPE.search(" " + header) else "block"
    if re.match(r"(typedef\s+)?(class|struct|union|enum)\s", header) and not header.endswith(")"):
        return "scope"
    outside_parentheses = re.sub(r"operator\s*[^\s\w(]+|\([^()]*\)", "", header)
    is_value = re.search(r"(?<![=!<>])=(?!=)", outside_parentheses) is not None
    if is_value and "[" not in header:
        return "block"
    return "function"


def functions(text):
    """Every outermost function (lambdas and local classes count into the function around them)."""
    code = blank(text)
    result = []
    stack = []  # (kind, name, first line)
    header_start = 0
    inside = 0  # open braces that are not scopes
    for match in re.finditer(r"[{};]", code):
        i, mark = match.start(), match[0]
        if mark == "{":
            header_start = ACCESS.match(code, header_start).end()
            header = code[header_start:i]
            kind = kind_of(header) if inside == 0 else "block"
            first = header_start + len(header) - len(header.lstrip())
            stack.append((kind, name_of(header), code.count("\n", 0, first) + 1))
            inside += kind != "scope"
        elif mark == "}" and stack:
            kind, name, first_line = stack.pop()
            inside -= kind != "scope"
            if kind == "function":
                result.append(Function(name, first_line, code.count("\n", 0, i) + 1))
        header_start = i + 1
    return result


def name_of(header):
    match = NAME.search(header)
    return match[1] if match else header.strip().split("\n")[0]
