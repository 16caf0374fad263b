//! The objects that have an id, and what hangs on them.

use std::sync::Arc;

use juniper::{FieldResult, GraphQLObject, ID, graphql_interface, graphql_object};
use serde_json::Value;

use super::super::behaviour::ConfigReadForm;
use super::super::platform::Offer;
use super::super::{model, platform};
use super::connections::WorkflowInstanceConnection;
use super::context::Context;
use super::scalars::{DateTime, Json};

/// Anything with an id.
#[graphql_interface]
#[graphql(
    context = Context,
    for = [ExternalUser, Solution, SolutionInstance, WorkflowInstance, Authentication, Service, ServiceEnvironment],
)]
#[expect(
    dead_code,
    reason = "juniper makes the interface from the fields' names and types"
)]
pub struct Node {
    id: ID,
}

/// Anyone with a name.
#[graphql_interface]
#[graphql(context = Context, for = ExternalUser)]
#[expect(
    dead_code,
    reason = "juniper makes the interface from the fields' names and types"
)]
pub struct User {
    id: ID,
    name: String,
}

/// An end user.
pub struct ExternalUser(pub Arc<model::User>);

#[graphql_object]
#[graphql(context = Context, impl = [NodeValue, UserValue])]
impl ExternalUser {
    fn id(&self) -> ID {
        ID::new(&*self.0.id)
    }

    fn name(&self) -> &str {
        &self.0.name
    }

    fn external_user_id(&self) -> Option<&str> {
        Some(&self.0.external_user_id)
    }

    fn is_test_user(&self) -> Option<bool> {
        Some(self.0.is_test_user)
    }
}

/// A solution, by its position among them.
pub struct Solution {
    offer: Arc<Offer>,
    position: usize,
}

impl Solution {
    /// The solution with this id.
    pub fn find(offer: &Arc<Offer>, id: &str) -> Option<Self> {
        Some(Self {
            position: offer.solution_position(id)?,
            offer: Arc::clone(offer),
        })
    }

    fn inner(&self) -> &platform::Solution {
        &self.offer.platform.solutions[self.position]
    }
}

#[graphql_object]
#[graphql(context = Context, impl = NodeValue)]
impl Solution {
    fn id(&self) -> ID {
        ID::new(&*self.inner().id)
    }

    fn title(&self) -> &str {
        &self.inner().title
    }

    fn description(&self) -> Option<&str> {
        None
    }

    fn tags(&self) -> Vec<String> {
        Vec::new()
    }

    fn custom_fields(&self) -> Vec<CustomField> {
        Vec::new()
    }

    fn config_slots(&self) -> Vec<ConfigSlot> {
        let slots = self.inner().config_slots.iter();
        slots
            .map(|slot| ConfigSlot {
                external_id: slot.external_id.clone(),
                title: slot.title.clone(),
                default_value: match &slot.default_value {
                    Value::String(text) => Json::Text(text.clone()),
                    other => Json::Text(other.to_string()),
                },
            })
            .collect()
    }

    /// Not in every version of the schema.
    fn auth_slots(&self) -> Option<Vec<Option<AuthSlot>>> {
        let slots = self.inner().auth_slots.iter();
        let slots = slots.map(|slot| {
            Some(AuthSlot {
                external_id: Some(slot.external_id.clone()),
                title: Some(slot.title.clone()),
            })
        });
        Some(slots.collect())
    }
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct CustomField {
    key: String,
    value: String,
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct ConfigSlot {
    external_id: String,
    title: String,
    default_value: Json,
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct AuthSlot {
    external_id: Option<String>,
    title: Option<String>,
}

/// A solution instance.
pub struct SolutionInstance(pub Arc<model::Instance>);

#[graphql_object]
#[graphql(context = Context, impl = NodeValue)]
impl SolutionInstance {
    fn id(&self) -> ID {
        ID::new(&*self.0.id)
    }

    fn solution(&self, context: &Context) -> FieldResult<Solution> {
        Solution::find(&context.shared.offer, &self.0.solution_id)
            .ok_or_else(|| "Solution not found".into())
    }

    fn name(&self) -> &str {
        &self.0.name
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn auth_values(&self) -> Vec<AuthSlotValue> {
        let values = self.0.auth_values.iter();
        values
            .map(|value| AuthSlotValue {
                external_id: value.external_id.clone(),
                auth_id: value.auth_id.clone(),
            })
            .collect()
    }

    fn config_values(&self, context: &Context) -> Vec<ConfigSlotValue> {
        let form = context.shared.behaviour.config_read_form;
        let values = self.0.config_values.iter();
        values
            .map(|value| ConfigSlotValue {
                external_id: value.external_id.clone(),
                value: Some(Json::Text(read_back(form, &value.value))),
            })
            .collect()
    }

    fn workflows(&self) -> WorkflowInstanceConnection {
        WorkflowInstanceConnection { edges: Vec::new() }
    }

    fn solution_version_flags(&self) -> SolutionInstanceSolutionVersionFlags {
        SolutionInstanceSolutionVersionFlags {
            has_newer_version: false,
            requires_user_input_to_update_version: false,
            requires_system_input_to_update_version: false,
        }
    }

    fn created(&self, context: &Context) -> DateTime {
        DateTime(context.shared.timestamp(self.0.created_at))
    }

    fn owner(&self) -> &str {
        &self.0.owner
    }
}

/// A config value in the form in which it reads back.
fn read_back(form: ConfigReadForm, text: &str) -> String {
    match (form, serde_json::from_str(text)) {
        (ConfigReadForm::Json, Ok(Value::String(inner))) => inner,
        _ => text.to_owned(),
    }
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct AuthSlotValue {
    external_id: String,
    auth_id: String,
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct ConfigSlotValue {
    external_id: String,
    value: Option<Json>,
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct SolutionInstanceSolutionVersionFlags {
    has_newer_version: bool,
    requires_user_input_to_update_version: bool,
    requires_system_input_to_update_version: bool,
}

/// A workflow of an instance. The sandbox has none.
#[derive(GraphQLObject)]
#[graphql(context = Context, impl = NodeValue)]
pub struct WorkflowInstance {
    id: ID,
    source_workflow_id: String,
    source_workflow_name: String,
    trigger_url: Option<String>,
}

/// An authentication, without its credentials.
pub struct Authentication(pub Arc<model::Authentication>);

#[graphql_object]
#[graphql(context = Context, impl = NodeValue)]
impl Authentication {
    fn id(&self) -> ID {
        ID::new(&*self.0.id)
    }

    fn name(&self) -> &str {
        &self.0.name
    }

    fn custom_fields(&self) -> Option<Json> {
        None
    }

    fn service(&self, context: &Context) -> FieldResult<Service> {
        let service = context
            .shared
            .offer
            .service(&self.0.service_id)
            .ok_or("Service not found")?;
        Ok(Service {
            id: ID::new(&*service.id),
            name: service.name.clone(),
            version: service.version.to_string(),
            title: service.name.clone(),
            icon: String::new(),
        })
    }

    fn service_environment(&self, context: &Context) -> FieldResult<ServiceEnvironment> {
        let environment = context.shared.offer.environment(&self.0.environment_id);
        let (_, environment) = environment.ok_or("Service environment not found")?;
        Ok(ServiceEnvironment {
            id: ID::new(&*environment.id),
            title: environment.title.clone(),
            name: environment.title.clone(),
        })
    }
}

#[derive(GraphQLObject)]
#[graphql(context = Context, impl = NodeValue)]
pub struct Service {
    id: ID,
    name: String,
    version: String,
    title: String,
    icon: String,
}

#[derive(GraphQLObject)]
#[graphql(context = Context, impl = NodeValue)]
pub struct ServiceEnvironment {
    id: ID,
    title: String,
    #[graphql(deprecated = "Use title")]
    name: String,
}
