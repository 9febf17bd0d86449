"""Known ids for scripts/schemathesis, as hooks; and what of the document was answered.

As a program: `prepare URL TOKEN FOLDER` looks for ids in the served store, `judge ACCESS URL TOKEN` counts
operations that were answered 2xx, from the access log.
"""

import json
import os
import random
import sys
import urllib.request

PROGRAM = 'load flair = "case-1/case-1_flair.nii.gz"\nprint "most" max(flair)\nprint "all" volume(flair > 0)\n'


def ask(url, token, path, body=None):
    headers = {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, body, headers)) as answer:
        return json.loads(answer.read())


def prepare(url, token, folder):
    url = url.rstrip("/")
    with open(os.path.join(folder, "d", "lesion.imgql")) as file:
        whole = file.read()
    inputs = {name: f"case-1/case-1_{name}.nii.gz" for name in ("flair", "seg")}
    nodes, blobs = [], []
    for node in ask(url, token, "/v1/plan", {"program": whole, "inputs": inputs})["nodes"]:
        try:
            found = ask(url, token, f"/ac/{node['node']}")
        except OSError:
            continue
        nodes.append(node["node"])
        if found.get("blob"):
            blobs.append(found["blob"])
    heads = ask(url, token, "/v1/heads")["writers"]
    run = ask(url, token, "/v1/runs", {"program": PROGRAM})["id"]
    images = []
    for blob in blobs:
        try:
            if "grid" in json.dumps(ask(url, token, f"/v1/value/{blob}")):
                images.append(blob)
        except OSError:
            continue
    examples = {
        "blobs": blobs,
        "images": images,
        "nodes": nodes,
        "writers": [one["writer"] for one in heads],
        "segments": [(one["writer"], s["name"]) for one in heads for s in one["segments"]],
        "runs": [run],
        "programs": [PROGRAM, whole, 'print "x" 1 + 1'],
    }
    with open(os.path.join(folder, "examples.json"), "w") as file:
        json.dump(examples, file)


def judge(access, url, token):
    document = ask(url.rstrip("/"), token, "/v1/openapi.json")
    wanted = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "head", "put", "post", "delete")
    }
    answered, worst, count = set(), {}, 0
    with open(access) as file:
        for line in file:
            told = json.loads(line)
            count += 1
            if 200 <= told["status"] < 400:
                answered.add((told["method"], told["route"]))
            if told["status"] >= 500:
                worst.setdefault((told["method"], told["route"], told["status"]), told.get("error"))
    good = wanted & answered
    print(f"{count} requests; {len(good)} of {len(wanted)} operations answered 2xx")
    for one in sorted(wanted - answered):
        print("  never 2xx:", *one)
    for one, error in worst.items():
        print("  5xx:", *one, error)
    return len(good) >= 0.6 * len(wanted) and not worst


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(*sys.argv[2:])
    else:
        sys.exit(0 if judge(*sys.argv[2:]) else 1)
else:
    import schemathesis

    with open(os.environ["VOX_EXAMPLES"]) as known:
        EXAMPLES = json.load(known)

    @schemathesis.hook
    def map_path_parameters(context, path_parameters):
        """Half of all ids are of something that is there."""
        if not path_parameters or random.random() < 0.4:
            return path_parameters
        path = context.operation.path
        known = dict(path_parameters)
        if "writer" in known and "name" in known:
            known["writer"], known["name"] = random.choice(EXAMPLES["segments"])
        elif "writer" in known:
            known["writer"] = random.choice(EXAMPLES["writers"])
        elif path.startswith("/v1/runs"):
            known["id"] = random.choice(EXAMPLES["runs"])
        elif path.startswith("/v1/value") and path.count("/") > 3:
            known["id"] = random.choice(EXAMPLES["images"] or EXAMPLES["blobs"])
        elif path.startswith("/ac"):
            known = {name: random.choice(EXAMPLES["nodes"]) for name in known}
        elif path.startswith("/v1/ops"):
            known["name"] = random.choice(["touch", "+", "dt", "for"])
        elif path.startswith("/v1/explain"):
            known["code"] = random.choice(["E0101", "E0203"])
        else:
            for name in known:
                if name in ("id", "sha256", "blob", "digest"):
                    known[name] = random.choice(EXAMPLES["blobs"])
        return known

    @schemathesis.hook
    def map_query(context, query):
        """Slices that exist."""
        if query and random.random() < 0.5:
            for name, value in (("axis", "z"), ("i", 3), ("scale", 2), ("window", "0,100")):
                if name in query:
                    query[name] = value
            if "token" in query:
                query["token"] = "0123456789abcdef0123456789abcdef"
        return query

    @schemathesis.hook
    def map_body(context, body):
        """Programs that run."""
        if isinstance(body, dict) and "program" in body and random.random() < 0.6:
            body = {"program": random.choice(EXAMPLES["programs"])}
        return body
