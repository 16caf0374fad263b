//! The root of mutations. `callConnector` is left out: there is nothing behind a sandbox's connectors.

use juniper::{FieldResult, ID, graphql_object};

use super::super::model::{InstanceChanges, NewAuthentication, NewInstance, NewUser, UserChanges};
use super::context::Context;
use super::inputs::*;
use super::nodes::{ExternalUser, SolutionInstance};
use super::payloads::*;

pub struct Mutation;

#[graphql_object]
#[graphql(context = Context)]
impl Mutation {
    fn create_external_user(
        context: &Context,
        input: CreateExternalUserInput,
    ) -> FieldResult<CreateExternalUserPayload> {
        let new = NewUser {
            name: input.name,
            external_user_id: input.external_user_id,
            is_test_user: input.is_test_user.unwrap_or(false),
        };
        let id =
            context.run(|model| model.create_external_user(context.now, &context.caller, new))?;
        Ok(CreateExternalUserPayload {
            user_id: ID::new(id),
            client_mutation_id: input.client_mutation_id,
        })
    }

    fn update_external_user(
        context: &Context,
        input: UpdateExternalUserInput,
    ) -> FieldResult<UpdateExternalUserPayload> {
        let changes = UserChanges {
            name: input.name,
            external_user_id: input.external_user_id,
            is_test_user: input.is_test_user,
        };
        let user = context
            .run(|model| model.update_external_user(&context.caller, &input.user_id, changes))?;
        Ok(UpdateExternalUserPayload {
            user: ExternalUser(user),
            client_mutation_id: input.client_mutation_id,
        })
    }

    fn remove_external_user(
        context: &Context,
        input: RemoveExternalUserInput,
    ) -> FieldResult<RemoveExternalUserPayload> {
        context.run(|model| model.remove_external_user(&context.caller, &input.user_id))?;
        Ok(RemoveExternalUserPayload {
            client_mutation_id: input.client_mutation_id,
        })
    }

    fn authorize(context: &Context, input: AuthorizeInput) -> FieldResult<AuthorizePayload> {
        let token =
            context.run(|model| model.authorize(context.now, &context.caller, &input.user_id))?;
        Ok(AuthorizePayload {
            access_token: token,
            client_mutation_id: input.client_mutation_id,
        })
    }

    fn generate_authorization_code(
        context: &Context,
        input: GenerateAuthorizationCodeInput,
    ) -> FieldResult<GenerateAuthorizationCodePayload> {
        let code = context
            .run(|model| model.generate_authorization_code(&context.caller, &input.user_id))?;
        Ok(GenerateAuthorizationCodePayload {
            authorization_code: code,
            client_mutation_id: input.client_mutation_id,
        })
    }

    fn create_user_authentication(
        context: &Context,
        input: CreateUserAuthenticationInput,
    ) -> FieldResult<CreateUserAuthenticationPayload> {
        let new = NewAuthentication {
            name: input.name,
            service_id: input.service_id,
            environment_id: input.service_environment_id,
            data: input.data,
            form_data: input.form_data,
            scopes: input.scopes.unwrap_or_default(),
            hidden: input.hidden.unwrap_or(false),
        };
        let id = context
            .run(|model| model.create_user_authentication(context.now, &context.caller, new))?;
        Ok(CreateUserAuthenticationPayload {
            authentication_id: id,
            client_mutation_id: input.client_mutation_id,
        })
    }

    fn remove_authentication(
        context: &Context,
        input: RemoveUserAuthenticationInput,
    ) -> FieldResult<RemoveUserAuthenticationPayload> {
        context
            .run(|model| model.remove_authentication(&context.caller, &input.authentication_id))?;
        Ok(RemoveUserAuthenticationPayload {
            client_mutation_id: input.client_mutation_id,
        })
    }

    fn create_solution_instance(
        context: &Context,
        input: CreateSolutionInstanceInput,
    ) -> FieldResult<CreateSolutionInstancePayload> {
        let new = NewInstance {
            solution_id: input.solution_id.to_string(),
            name: input.instance_name,
            auth_values: auth_values(input.auth_values.unwrap_or_default()),
            config_values: config_values(input.config_values.unwrap_or_default()),
        };
        let instance = context
            .run(|model| model.create_solution_instance(context.now, &context.caller, new))?;
        Ok(CreateSolutionInstancePayload {
            solution_instance: SolutionInstance(instance),
            client_mutation_id: input.client_mutation_id,
        })
    }

    fn update_solution_instance(
        context: &Context,
        input: UpdateSolutionInstanceInput,
    ) -> FieldResult<UpdateSolutionInstancePayload> {
        let changes = InstanceChanges {
            name: input.instance_name,
            enabled: input.enabled,
            auth_values: input.auth_values.map(auth_values),
            config_values: input.config_values.map(config_values),
            error_on_missing_values: input.error_on_enabling_with_missing_values.unwrap_or(false),
        };
        Ok(UpdateSolutionInstancePayload {
            solution_instance: change_instance(context, &input.solution_instance_id, changes)?,
            client_mutation_id: input.client_mutation_id,
        })
    }

    fn upgrade_solution_instance(
        context: &Context,
        input: UpgradeSolutionInstanceInput,
    ) -> FieldResult<UpgradeSolutionInstancePayload> {
        let changes = InstanceChanges {
            auth_values: input.auth_values.map(auth_values),
            config_values: input.config_values.map(config_values),
            ..InstanceChanges::default()
        };
        Ok(UpgradeSolutionInstancePayload {
            solution_instance: change_instance(context, &input.solution_instance_id, changes)?,
            client_mutation_id: input.client_mutation_id,
        })
    }

    fn remove_solution_instance(
        context: &Context,
        input: RemoveSolutionInstanceInput,
    ) -> FieldResult<RemoveSolutionInstancePayload> {
        context.run(|model| {
            model.remove_solution_instance(&context.caller, &input.solution_instance_id)
        })?;
        Ok(RemoveSolutionInstancePayload {
            client_mutation_id: input.client_mutation_id,
        })
    }
}

/// Changes an instance, for whichever mutation.
fn change_instance(
    context: &Context,
    id: &str,
    changes: InstanceChanges,
) -> FieldResult<SolutionInstance> {
    let (now, caller) = (context.now, &context.caller);
    let instance = context.run(|model| model.update_solution_instance(now, caller, id, changes))?;
    Ok(SolutionInstance(instance))
}
