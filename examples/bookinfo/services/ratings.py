"""How many stars each reviewer gives a book."""

import sys

from web import Answer, Request, json_answer, serve


def handle(request: Request) -> Answer:
    if request.path.startswith("/ratings/"):
        return json_answer({"id": 0, "ratings": {"Reviewer1": 5, "Reviewer2": 4}, "version": sys.argv[1]})
    return json_answer({"error": f"no such path: {request.path}"}, 404)


if __name__ == "__main__":
    serve("ratings", sys.argv[1], handle)
