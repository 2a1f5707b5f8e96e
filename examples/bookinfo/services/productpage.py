"""The page: it asks details and reviews, and shows which version of each answered."""

import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from html import escape
from http.cookies import SimpleCookie
from pathlib import Path
from string import Template
from urllib.parse import quote, unquote

from web import Answer, Reply, Request, call, json_answer, serve

HERE = Path(__file__).parent
PAGE = Template((HERE / "page.html").read_text())
STATIC_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
PRODUCTS = [{"id": 0, "title": "The Comedy of Errors", "descriptionHtml": "A play by William Shakespeare."}]

pool = ThreadPoolExecutor(max_workers=16)


def context_of(request: Request) -> dict[str, str]:
    """What goes along to the other services; `end-user` names who is signed in, and the mesh may route by it."""
    context = request.context
    user = unquote(request.cookie("user"))
    if user:
        context["end-user"] = user
    return context


def page(request: Request) -> Answer:
    context = context_of(request)
    asked = pool.submit(call, "details", "/details/0", context)
    reviews = call("reviews", "/reviews/0", context)
    details = asked.result()
    user = context.get("end-user", "")
    html = PAGE.substitute(
        account=signed_in(user) if user else SIGN_IN,
        details=details_section(details),
        details_version=version_of(details),
        reviews=reviews_section(reviews),
        reviews_version=version_of(reviews),
        served_by=escape(str(reviews.value.get("podname", ""))),
    )
    return Answer(200, html.encode(), "text/html; charset=utf-8")


SIGN_IN = """<form method="post" action="/login" class="account">
 <input name="username" placeholder="name" aria-label="name" required maxlength="40">
 <input name="passwd" type="password" placeholder="any password" aria-label="password">
 <button>Sign in</button></form>"""


def signed_in(user: str) -> str:
    return f'<div class="account"><span>{escape(user)}</span><a class="button" href="/logout">Sign out</a></div>'


def version_of(reply: Reply) -> str:
    return escape(str(reply.value["version"])) if "version" in reply.value else "no answer"


def details_section(reply: Reply) -> str:
    if not reply.value:
        return failure("Details", reply)
    rows = [(name, value) for name, value in reply.value.items() if name not in ("id", "version", "title", "author")]
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in rows)
    return f"<dl>{items}</dl>"


def reviews_section(reply: Reply) -> str:
    entries = reply.value.get("reviews")
    if not isinstance(entries, list):
        return failure("Reviews", reply)
    return "".join(review(entry) for entry in entries)


def review(entry: Mapping[str, object]) -> str:
    text, name = escape(str(entry.get("text", ""))), escape(str(entry.get("reviewer", "")))
    return f"<blockquote><p>{text}</p>{stars(entry.get('rating'))}<footer>{name}</footer></blockquote>"


def stars(rating: object) -> str:
    if not isinstance(rating, dict):
        return ""
    if "error" in rating:
        return f'<p class="note">{escape(str(rating["error"]))}</p>'
    count = min(5, max(0, int(rating.get("stars") or 0)))
    colour = "red" if rating.get("color") == "red" else "black"
    return f'<p class="stars {colour}" title="{count} of 5">{"★" * count}<span>{"★" * (5 - count)}</span></p>'


def failure(what: str, reply: Reply) -> str:
    code = f"HTTP {reply.status}" if reply.status else "no connection"
    return f'<p class="note">{what} are not available: {code}. {escape(reply.error[:200])}</p>'


def login(request: Request) -> Answer:
    cookie: SimpleCookie = SimpleCookie()
    cookie["user"] = quote(request.form.get("username", "")[:40], safe="")
    cookie["user"]["path"] = "/"
    cookie["user"]["httponly"] = True
    cookie["user"]["samesite"] = "Lax"
    return Answer(302, headers={"location": "/productpage", "set-cookie": cookie["user"].OutputString()})


def logout(_request: Request) -> Answer:
    return Answer(302, headers={"location": "/productpage", "set-cookie": "user=; Path=/; Max-Age=0; HttpOnly"})


def static(request: Request) -> Answer:
    name = request.path.rsplit("/", 1)[-1]
    path = HERE / "static" / name
    if request.path != f"/static/{name}" or path.suffix not in STATIC_TYPES or not path.is_file():
        return Answer(404, b"not found\n")
    return Answer(200, path.read_bytes(), STATIC_TYPES[path.suffix], {"cache-control": "max-age=300"})


def api(request: Request) -> Answer:
    """/api/v1/products, …/0, …/0/reviews and …/0/ratings, as JSON."""
    parts = request.path.removeprefix("/api/v1/products").strip("/").split("/")
    if parts == [""]:
        return json_answer(PRODUCTS)
    services = {
        "": ("details", "/details/0"),
        "reviews": ("reviews", "/reviews/0"),
        "ratings": ("ratings", "/ratings/0"),
    }
    wanted = services.get(parts[1] if len(parts) > 1 else "")
    if parts[0] != "0" or wanted is None or len(parts) > 2:
        return json_answer({"error": f"no such product: {request.path}"}, 404)
    reply = call(*wanted, context_of(request))
    if reply.status != 200:
        return json_answer({"error": f"{wanted[0]}: {reply.error}"}, reply.status or 503)
    return json_answer(reply.value)


def handle(request: Request) -> Answer:
    path = request.path
    if path in ("/", "/index.html"):
        return Answer(302, headers={"location": "/productpage"})
    if path == "/productpage":
        return page(request)
    if path == "/login" and request.method == "POST":
        return login(request)
    if path in ("/login", "/logout"):
        return logout(request)
    if path.startswith("/static/"):
        return static(request)
    if path.startswith("/api/v1/products"):
        return api(request)
    return Answer(404, json.dumps({"error": f"no such path: {path}"}).encode(), "application/json")


if __name__ == "__main__":
    serve("productpage", sys.argv[1], handle)
