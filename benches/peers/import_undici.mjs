// What a script of an afternoon does: five calls a row, one after the other, 64 rows at a time, through a pool
// of undici with 64 connections. No journal, no limit, no second try. URL FILE ROWS.
import { createRequire } from "node:module";
import { objects } from "./lines.mjs";

const { Pool } = createRequire(import.meta.url)("undici");
const [url, file, most] = process.argv.slice(2);
const { origin, pathname: path } = new URL(url);
const pool = new Pool(origin, { connections: 64 });
let calls = 0;

async function call(token, query, input) {
  const { statusCode, body } = await pool.request({
    path,
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables: { input } }),
  });
  const answer = await body.json();
  if (statusCode !== 200 || answer.errors) throw new Error(JSON.stringify(answer));
  calls += 1;
  return answer.data;
}

const USER = "mutation($input: CreateExternalUserInput!) { createExternalUser(input: $input) { userId } }";
const TOKEN = "mutation($input: AuthorizeInput!) { authorize(input: $input) { accessToken } }";
const AUTH = "mutation($input: CreateUserAuthenticationInput!) { createUserAuthentication(input: $input) { authenticationId } }";
const INSTANCE = "mutation($input: CreateSolutionInstanceInput!) { createSolutionInstance(input: $input) { solutionInstance { id } } }";
const ENABLE = "mutation($input: UpdateSolutionInstanceInput!) { updateSolutionInstance(input: $input) { solutionInstance { id enabled } } }";

async function migrate(row) {
  const user = await call("master", USER, { name: row.userName, externalUserId: row.externalUserId });
  const { authorize } = await call("master", TOKEN, { userId: user.createExternalUser.userId });
  const token = authorize.accessToken;
  const auth = await call(token, AUTH, {
    name: row.authName ?? `${row.connector} ${row.externalUserId}`,
    serviceId: row.connector,
    serviceEnvironmentId: row.connector,
    data: JSON.stringify(row.data),
    scopes: [],
  });
  const made = await call(token, INSTANCE, {
    solutionId: row.solutionId,
    instanceName: row.instanceName ?? row.userName,
    authValues: [{ externalId: row.authExternalId, authId: auth.createUserAuthentication.authenticationId }],
  });
  await call(token, ENABLE, { solutionInstanceId: made.createSolutionInstance.solutionInstance.id, enabled: true });
}

async function* rows() {
  let left = Number(most);
  for await (const lot of objects(file)) {
    for (const row of lot) {
      if (left-- <= 0) return;
      yield row;
    }
  }
}

const source = rows();
const worker = async () => {
  for (let next = await source.next(); !next.done; next = await source.next()) await migrate(next.value);
};
await Promise.all(Array.from({ length: 64 }, worker));
await pool.close();
console.log(JSON.stringify({ calls }));
