"""The same as import_undici.mjs with Python's aiohttp: URL FILE ROWS."""
import asyncio
import itertools
import json
import sys

import aiohttp

url, file, most = sys.argv[1:]
calls = 0

USER = "mutation($input: CreateExternalUserInput!) { createExternalUser(input: $input) { userId } }"
TOKEN = "mutation($input: AuthorizeInput!) { authorize(input: $input) { accessToken } }"
AUTH = "mutation($input: CreateUserAuthenticationInput!) { createUserAuthentication(input: $input) { authenticationId } }"
INSTANCE = "mutation($input: CreateSolutionInstanceInput!) { createSolutionInstance(input: $input) { solutionInstance { id } } }"
ENABLE = "mutation($input: UpdateSolutionInstanceInput!) { updateSolutionInstance(input: $input) { solutionInstance { id enabled } } }"


async def call(session, token, query, input):
    global calls
    headers = {"Authorization": f"Bearer {token}"}
    async with session.post(url, json={"query": query, "variables": {"input": input}}, headers=headers) as answer:
        body = await answer.json()
    if answer.status != 200 or body.get("errors"):
        raise SystemExit(body)
    calls += 1
    return body["data"]


async def migrate(session, row):
    user = await call(session, "master", USER, {"name": row["userName"], "externalUserId": row["externalUserId"]})
    minted = await call(session, "master", TOKEN, {"userId": user["createExternalUser"]["userId"]})
    token = minted["authorize"]["accessToken"]
    auth = await call(session, token, AUTH, {
        "name": row.get("authName") or f"{row['connector']} {row['externalUserId']}",
        "serviceId": row["connector"], "serviceEnvironmentId": row["connector"],
        "data": json.dumps(row["data"]), "scopes": [],
    })
    made = await call(session, token, INSTANCE, {
        "solutionId": row["solutionId"], "instanceName": row.get("instanceName") or row["userName"],
        "authValues": [{"externalId": row["authExternalId"],
                        "authId": auth["createUserAuthentication"]["authenticationId"]}],
    })
    instance = made["createSolutionInstance"]["solutionInstance"]["id"]
    await call(session, token, ENABLE, {"solutionInstanceId": instance, "enabled": True})


async def main():
    with open(file, encoding="utf-8") as lines:
        rows = map(json.loads, itertools.islice(lines, int(most)))
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(connector=connector) as session:
            async def worker():
                for row in rows:
                    await migrate(session, row)
            await asyncio.gather(*(worker() for _ in range(64)))
    print(json.dumps({"calls": calls}))


asyncio.run(main())
