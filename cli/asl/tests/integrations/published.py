#!/usr/bin/env python3
"""Writes published.json: the optimized integrations of Step Functions that AWS publishes.

    npm pack aws-cdk-lib amazon-states-language-service
    published.py aws-cdk-lib-*.tgz amazon-states-language-service-*.tgz > published.json

Two packages, both AWS's own, are read as they are packed:

- aws-cdk-lib (Apache-2.0): each task of aws-stepfunctions-tasks names its service and
  action, and the patterns that it supports;
- amazon-states-language-service (MIT), what AWS's editors know: the schema of a Task has
  examples of its Resource.

Only names are taken. When a package was published is asked of `npm view`.
"""

import json
import re
import subprocess
import sys
import tarfile

SUFFIX = {"REQUEST_RESPONSE": "", "RUN_JOB": ".sync", "WAIT_FOR_TASK_TOKEN": ".waitForTaskToken"}
ARN = re.compile(r'integrationResourceArn\)\((?:"([\w:-]+)","(\w+)"|"dynamodb",`)([^)]*)')
LISTED = re.compile(r"SUPPORTED_INTEGRATION_PATTERNS=\[([^\]]*)\]")
PATTERN = re.compile(r"IntegrationPattern\.(\w+)")
EXAMPLE = re.compile(r'"arn:aws:states:::([\w-]+:\w+(?:\.[\w:]+)?)"')
# The one name that is put together: `${method.toLowerCase()}Item`.
ITEMS = ["getItem", "putItem", "updateItem", "deleteItem"]


def of_tasks(archive):
    """The integrations that the tasks of aws-cdk-lib name."""
    for member in archive.getmembers():
        if not re.search(r"/aws-stepfunctions-tasks/lib/.*\.js$", member.name):
            continue
        text = archive.extractfile(member).read().decode()
        for service, action, rest in ARN.findall(text):
            if service.startswith("aws-sdk"):
                continue
            actions = [action] if action else ITEMS
            listed = LISTED.search(text)
            # A task without a list has the pattern that it names, or none but the first.
            patterns = PATTERN.findall(listed.group(1) if listed else rest)
            for name in actions:
                for pattern in set(patterns) | {"REQUEST_RESPONSE"}:
                    yield f"{service or 'dynamodb'}:{name}{SUFFIX[pattern]}"


def of_examples(archive):
    """The integrations among the examples of the schema."""
    for member in archive.getmembers():
        if member.name.endswith("/json-schema/bundled.json"):
            yield from EXAMPLE.findall(archive.extractfile(member).read().decode())


READERS = {"aws-cdk-lib": of_tasks, "amazon-states-language-service": of_examples}


def main(paths):
    sources, integrations = {}, {}
    for path in paths:
        with tarfile.open(path) as archive:
            package = json.load(archive.extractfile("package/package.json"))
            name, version = package["name"], package["version"]
            shown = subprocess.run(
                ["npm", "view", f"{name}@{version}", "time", "--json"],
                check=True, capture_output=True, text=True,
            )
            sources[name] = {"version": version, "published": json.loads(shown.stdout)[version][:10]}
            for integration in READERS[name](archive):
                of = integrations.setdefault(integration, [])
                if name not in of:
                    of.append(name)
    if set(sources) != set(READERS):
        sys.exit(f"both packages are needed: {', '.join(READERS)}")
    document = {"sources": sources, "integrations": dict(sorted(integrations.items()))}
    text = json.dumps(document, indent=1)
    # A line an integration.
    print(re.sub(r"\[\s+([^\]]*?)\s+\]", lambda it: "[" + re.sub(r"\s+", " ", it.group(1)) + "]", text))


main(sys.argv[1:])
