"""Reviews of a book. v1 has no stars; v2 asks the ratings service and shows black ones, v3 red ones."""

import os
import sys

from web import Answer, Request, call, json_answer, serve

STAR_COLOURS = {"v2": "black", "v3": "red"}

TEXTS = {
    "Reviewer1": "I laughed until the person next to me asked whether I was my own twin.",
    "Reviewer2": "Quick, noisy and kind. Bring a pencil to keep track of who is who.",
}


def reviews(version: str, context: dict[str, str]) -> dict[str, object]:
    entries: list[dict[str, object]] = [{"reviewer": name, "text": text} for name, text in TEXTS.items()]
    colour = STAR_COLOURS.get(version)
    if colour is not None:
        reply = call("ratings", "/ratings/0", context)
        stars = reply.value.get("ratings")
        for entry in entries:
            if isinstance(stars, dict):
                entry["rating"] = {"stars": stars.get(entry["reviewer"]), "color": colour}
            else:
                entry["rating"] = {"error": "Ratings service is currently unavailable", "cause": reply.error}
    return {"id": 0, "version": version, "podname": os.environ.get("HOSTNAME", ""), "reviews": entries}


def handle(request: Request) -> Answer:
    if request.path.startswith("/reviews/"):
        return json_answer(reviews(sys.argv[1], request.context))
    return json_answer({"error": f"no such path: {request.path}"}, 404)


if __name__ == "__main__":
    serve("reviews", sys.argv[1], handle)
