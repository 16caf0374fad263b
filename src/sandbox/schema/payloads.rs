//! What mutations answer.

use juniper::{GraphQLObject, ID};

use super::context::Context;
use super::nodes::{ExternalUser, SolutionInstance};

/// A payload: its own fields, and the echo that every one of them has.
macro_rules! payloads {
    ($($name:ident { $($field:ident: $type:ty)? })+) => {
        $(
            #[derive(GraphQLObject)]
            #[graphql(context = Context)]
            pub struct $name {
                $(pub $field: $type,)?
                pub client_mutation_id: Option<String>,
            }
        )+
    };
}

payloads! {
    CreateExternalUserPayload { user_id: ID }
    UpdateExternalUserPayload { user: ExternalUser }
    RemoveExternalUserPayload {}
    AuthorizePayload { access_token: String }
    GenerateAuthorizationCodePayload { authorization_code: String }
    CreateUserAuthenticationPayload { authentication_id: String }
    RemoveUserAuthenticationPayload {}
    CreateSolutionInstancePayload { solution_instance: SolutionInstance }
    UpdateSolutionInstancePayload { solution_instance: SolutionInstance }
    UpgradeSolutionInstancePayload { solution_instance: SolutionInstance }
    RemoveSolutionInstancePayload {}
}
