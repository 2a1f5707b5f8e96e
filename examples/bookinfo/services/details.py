"""Details of a book."""

import sys

from web import Answer, Request, json_answer, serve

BOOK = {
    "id": 0,
    "title": "The Comedy of Errors",
    "author": "William Shakespeare",
    "year": 1594,
    "type": "paperback",
    "pages": 128,
    "publisher": "Lateen Press",
    "language": "English",
    "ISBN-10": "0-00-000000-0",
}


def handle(request: Request) -> Answer:
    if request.path.startswith("/details/"):
        return json_answer(BOOK | {"version": sys.argv[1]})
    return json_answer({"error": f"no such path: {request.path}"}, 404)


if __name__ == "__main__":
    serve("details", sys.argv[1], handle)
