//! The input objects.

use juniper::{GraphQLInputObject, ID};

use super::super::model;
use super::scalars::Json;

#[derive(GraphQLInputObject)]
pub struct UserSearchCriteria {
    pub external_user_id: Option<String>,
    pub name: Option<String>,
    pub user_id: Option<String>,
    /// Not in every version of the schema.
    pub is_test_user: Option<bool>,
}

#[derive(GraphQLInputObject)]
pub struct SolutionSearchCriteria {
    pub tags: Option<Vec<String>>,
}

#[derive(GraphQLInputObject)]
pub struct SolutionInstanceSearchCriteria {
    pub id: Option<String>,
    pub name: Option<String>,
    pub owner: Option<String>,
    pub solution_id: Option<String>,
}

#[derive(GraphQLInputObject)]
pub struct CreateExternalUserInput {
    pub name: String,
    pub external_user_id: String,
    /// Not in every version of the schema.
    pub is_test_user: Option<bool>,
    pub client_mutation_id: Option<String>,
}

/// Not in every version of the schema.
#[derive(GraphQLInputObject)]
pub struct UpdateExternalUserInput {
    pub user_id: ID,
    pub name: Option<String>,
    pub external_user_id: Option<String>,
    pub is_test_user: Option<bool>,
    pub client_mutation_id: Option<String>,
}

#[derive(GraphQLInputObject)]
pub struct RemoveExternalUserInput {
    pub user_id: ID,
    pub client_mutation_id: Option<String>,
}

#[derive(GraphQLInputObject)]
pub struct AuthorizeInput {
    pub user_id: ID,
    pub client_mutation_id: Option<String>,
}

#[derive(GraphQLInputObject)]
pub struct GenerateAuthorizationCodeInput {
    pub user_id: ID,
    pub client_mutation_id: Option<String>,
}

#[derive(GraphQLInputObject)]
pub struct CreateUserAuthenticationInput {
    pub name: String,
    pub service_id: String,
    pub service_environment_id: String,
    /// The credentials.
    pub data: Json,
    /// Form fields that are not secret.
    pub form_data: Option<Json>,
    pub scopes: Option<Vec<String>>,
    pub hidden: Option<bool>,
    pub client_mutation_id: Option<String>,
}

#[derive(GraphQLInputObject)]
pub struct RemoveUserAuthenticationInput {
    pub authentication_id: ID,
    pub client_mutation_id: Option<String>,
}

#[derive(GraphQLInputObject)]
pub struct AuthValue {
    external_id: String,
    auth_id: String,
}

#[derive(GraphQLInputObject)]
pub struct ConfigValue {
    external_id: String,
    value: Option<Json>,
}

#[derive(GraphQLInputObject)]
pub struct CreateSolutionInstanceInput {
    pub solution_id: ID,
    pub instance_name: String,
    pub auth_values: Option<Vec<AuthValue>>,
    pub config_values: Option<Vec<ConfigValue>>,
    pub client_mutation_id: Option<String>,
}

#[derive(GraphQLInputObject)]
pub struct UpdateSolutionInstanceInput {
    pub solution_instance_id: ID,
    pub instance_name: Option<String>,
    pub enabled: Option<bool>,
    pub auth_values: Option<Vec<AuthValue>>,
    pub config_values: Option<Vec<ConfigValue>>,
    pub error_on_enabling_with_missing_values: Option<bool>,
    pub client_mutation_id: Option<String>,
}

#[derive(GraphQLInputObject)]
pub struct UpgradeSolutionInstanceInput {
    pub solution_instance_id: ID,
    pub auth_values: Option<Vec<AuthValue>>,
    pub config_values: Option<Vec<ConfigValue>>,
    pub client_mutation_id: Option<String>,
}

#[derive(GraphQLInputObject)]
pub struct RemoveSolutionInstanceInput {
    pub solution_instance_id: ID,
    pub client_mutation_id: Option<String>,
}

impl From<UserSearchCriteria> for model::UserCriteria {
    fn from(criteria: UserSearchCriteria) -> Self {
        Self {
            user_id: criteria.user_id,
            external_user_id: criteria.external_user_id,
            name: criteria.name,
            is_test_user: criteria.is_test_user,
        }
    }
}

impl From<SolutionInstanceSearchCriteria> for model::InstanceCriteria {
    fn from(criteria: SolutionInstanceSearchCriteria) -> Self {
        Self {
            id: criteria.id,
            name: criteria.name,
            owner: criteria.owner,
            solution_id: criteria.solution_id,
        }
    }
}

/// The model's form of auth values.
pub fn auth_values(values: Vec<AuthValue>) -> Vec<model::AuthValue> {
    let values = values.into_iter();
    values
        .map(|value| model::AuthValue {
            external_id: value.external_id,
            auth_id: value.auth_id,
        })
        .collect()
}

/// The model's form of config values.
pub fn config_values(values: Vec<ConfigValue>) -> Vec<model::NewConfigValue> {
    let values = values.into_iter();
    values
        .map(|value| model::NewConfigValue {
            external_id: value.external_id,
            value: value.value,
        })
        .collect()
}
