//! GraphQL over the model: a request is read and validated, and its root fields are executed one after the other.
//!
//! The schema is Tray's own, as text: `tray.graphql`. Nullability matters: a root field that may not be null takes
//! all of `data` with it when it fails, which is how a batch of mutations loses the ids of those that succeeded.

use std::cell::RefCell;
use std::time::Duration;

use apollo_compiler::executable::Field;
use apollo_compiler::request::RequestError;
use apollo_compiler::resolvers::{Execution, FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::{ExecutionResponse, GraphQLError, JsonMap, JsonValue};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::behaviour::{Behaviour, Introspection, Presence};
use super::model::{Caller, Model, Refusal};

/// Tray's schema in its own language, everything exposed.
pub fn sdl() -> String {
    sdl_under(&Behaviour::default())
}

/// The schema without what the switches take away.
fn sdl_under(behaviour: &Behaviour) -> String {
    let absent = [
        (behaviour.auth_slots, "authSlots:"),
        (behaviour.auth_slots, "type AuthSlot "),
        (behaviour.test_user_field, "isTestUser:"),
    ];
    let stays = |line: &&str| {
        (absent.iter())
            .all(|(presence, part)| *presence == Presence::Exposed || !line.contains(part))
    };
    let lines: Vec<_> = include_str!("tray.graphql").lines().filter(stays).collect();
    lines.join("\n")
}

/// The body of a request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestBody {
    query: String,
    operation_name: Option<String>,
    variables: Option<JsonMap>,
}

/// A field of the document's root: what the gateway, the limit, faults and counters work on.
#[derive(Clone, Debug)]
pub(super) struct RootField {
    pub name: String,
    /// Its key in the answer: the alias, or the name.
    pub key: String,
    /// Line and column in the document, from 1.
    pub location: (usize, usize),
}

impl RootField {
    fn of(field: &Field, document: &ExecutableDocument) -> Self {
        let location = field
            .name
            .location()
            .or_else(|| field.definition.location());
        let start = location.and_then(|location| location.line_column(&document.sources));
        Self {
            name: field.name.to_string(),
            key: field.response_key().to_string(),
            location: start.map_or((1, 1), |start| (start.line, start.column)),
        }
    }
}

/// A request that has been read.
pub(super) struct ReadRequest {
    /// Empty where the document is at fault.
    pub fields: Vec<RootField>,
    document: Result<Valid<ExecutableDocument>, Vec<GraphQLError>>,
    operation_name: Option<String>,
    variables: JsonMap,
}

impl ReadRequest {
    /// The names of the root fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| &*field.name)
    }
}

/// What reads and executes requests.
pub(super) struct TraySchema {
    schema: Valid<Schema>,
    introspection: Introspection,
}

impl TraySchema {
    /// Costly: once for all requests.
    pub fn new(behaviour: &Behaviour) -> Result<Self, String> {
        let schema = Schema::parse_and_validate(sdl_under(behaviour), "tray.graphql");
        Ok(Self {
            schema: schema.map_err(|error| error.to_string())?,
            introspection: behaviour.introspection,
        })
    }

    /// Reads a request; nothing where the body is not one. A document that does not validate is read too, since
    /// whether its errors are told depends on the token.
    pub fn read(&self, body: &[u8]) -> Option<ReadRequest> {
        let body: RequestBody = serde_json::from_slice(body).ok()?;
        let document = ExecutableDocument::parse_and_validate(&self.schema, body.query, "request");
        let mut fields = Vec::new();
        let document = match document {
            Ok(document) => {
                if let Ok(operation) = document.operations.get(body.operation_name.as_deref()) {
                    let found = operation.root_fields(&document);
                    fields.extend(found.map(|field| RootField::of(field, &document)));
                }
                self.without_introspection(&fields).map(|()| document)
            }
            Err(invalid) => Err((invalid.errors.iter())
                .map(|error| error.unstable_to_json_compat())
                .collect()),
        };
        Some(ReadRequest {
            fields,
            document,
            operation_name: body.operation_name,
            variables: body.variables.unwrap_or_default(),
        })
    }

    fn without_introspection(&self, fields: &[RootField]) -> Result<(), Vec<GraphQLError>> {
        let asks = |field: &RootField| matches!(&*field.name, "__schema" | "__type");
        if self.introspection == Introspection::Refused && fields.iter().any(asks) {
            let message = "GraphQL introspection is not allowed";
            return Err(vec![GraphQLError::new(message, None, &Default::default())]);
        }
        Ok(())
    }

    /// The response to a request, or the errors of one that does not validate: then nothing was executed.
    pub fn execute(
        &self,
        request: &ReadRequest,
        model: &Mutex<Model>,
        caller: &Caller,
        now: Duration,
    ) -> Result<ExecutionResponse, Vec<GraphQLError>> {
        let document = request.document.as_ref().map_err(Clone::clone)?;
        let of_request = |error: RequestError| vec![error.to_graphql_error(&document.sources)];
        let name = request.operation_name.as_deref();
        let operation = document.operations.get(name).map_err(of_request)?;
        let refusals = RefCell::default();
        let root = Root {
            type_name: operation.object_type().as_str(),
            model,
            caller,
            now,
            refusals: &refusals,
        };
        let execution = Execution::new(&self.schema, document)
            .operation(operation)
            .raw_variable_values(&request.variables)
            .enable_schema_introspection(self.introspection == Introspection::Allowed);
        let mut response = execution.execute_sync(&root).map_err(of_request)?;
        let thrown = model.lock().timestamp(now);
        for error in &mut response.errors {
            complete(error, &refusals.borrow(), thrown);
        }
        Ok(response)
    }
}

/// Gives an error the extensions of the refusal behind it. The executor's errors carry a message alone, which it
/// prefixes, so the refusal is found by its text.
fn complete(error: &mut GraphQLError, refusals: &[Refusal], thrown: Timestamp) {
    let Some(message) = error.message.strip_prefix("resolver error: ") else {
        return;
    };
    error.message = message.to_owned();
    let refusal = refusals
        .iter()
        .find(|refusal| refusal.to_string() == error.message);
    if let Some(refusal) = refusal
        && let JsonValue::Object(extensions) = error_extensions(refusal, thrown).into()
    {
        error.extensions = extensions;
    }
}

/// The `extensions` of an error, in the form of the published one.
pub(super) fn error_extensions(refusal: &Refusal, thrown: Timestamp) -> Value {
    let thrown = format!("{thrown:.3}");
    json!({ "name": refusal.name(), "time_thrown": thrown, "code": refusal.code() })
}

/// `Query`, `Mutation` or the viewer, whose fields are operations of the model.
#[derive(Clone, Copy)]
struct Root<'r> {
    type_name: &'r str,
    model: &'r Mutex<Model>,
    caller: &'r Caller,
    now: Duration,
    refusals: &'r RefCell<Vec<Refusal>>,
}

impl ObjectValue for Root<'_> {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        if info.field_name() == "viewer" {
            let viewer = Root {
                type_name: "Viewer",
                ..*self
            };
            return Ok(ResolvedValue::object(viewer));
        }
        let arguments = serde_json::to_value(info.arguments()).unwrap_or_default();
        let mut model = self.model.lock();
        match model.call(self.now, self.caller, info.field_name(), &arguments) {
            Ok(value) => Ok(resolved(info, value.into())),
            Err(refusal) => {
                let message = refusal.to_string();
                self.refusals.borrow_mut().push(refusal);
                Err(FieldError { message })
            }
        }
    }
}

/// An object that the model answered, with everything that may be selected of it.
struct JsonObject<'r> {
    type_name: &'r str,
    fields: JsonMap,
}

impl ObjectValue for JsonObject<'_> {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        let value = self.fields.get(info.field_name()).cloned();
        Ok(resolved(info, value.unwrap_or_default()))
    }
}

/// A field's value as its type in the schema says: an object, a list of them, or a leaf.
fn resolved<'a>(info: &'a ResolveInfo<'a>, value: JsonValue) -> ResolvedValue<'a> {
    let type_name = info.field_definition().ty.inner_named_type().as_str();
    match value {
        JsonValue::Array(items) => {
            ResolvedValue::list(items.into_iter().map(move |item| resolved(info, item)))
        }
        JsonValue::Object(fields) if info.schema().get_object(type_name).is_some() => {
            ResolvedValue::object(JsonObject { type_name, fields })
        }
        leaf => ResolvedValue::Leaf(leaf),
    }
}
