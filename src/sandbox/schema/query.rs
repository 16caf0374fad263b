//! The root of queries, and the viewer.

use juniper::{FieldResult, GraphQLObject, graphql_object};

use super::super::model::{Caller, Paging, cursor};
use super::connections::{
    AuthenticationConnection, PageInfo, SolutionConnection, SolutionConnectionEdge,
    SolutionInstanceConnection, UserConnection,
};
use super::context::Context;
use super::inputs::{SolutionInstanceSearchCriteria, SolutionSearchCriteria, UserSearchCriteria};
use super::nodes::Solution;

pub struct Query;

#[graphql_object]
#[graphql(context = Context)]
impl Query {
    fn viewer() -> Viewer {
        Viewer
    }

    fn users(
        context: &Context,
        criteria: Option<UserSearchCriteria>,
        first: Option<i32>,
        last: Option<i32>,
        before: Option<String>,
        after: Option<String>,
    ) -> FieldResult<UserConnection> {
        let criteria = criteria.map(Into::into).unwrap_or_default();
        let paging = Paging {
            first,
            after,
            last,
            before,
        };
        let page = context
            .run(|model| model.list_users(context.now, &context.caller, &criteria, &paging))?;
        Ok(page.into())
    }
}

/// Whoever the token stands for.
pub struct Viewer;

#[graphql_object]
#[graphql(context = Context)]
impl Viewer {
    /// The sandbox's solutions have no tags, so that criteria with tags match none; pages go forwards only.
    fn solutions(
        context: &Context,
        criteria: Option<SolutionSearchCriteria>,
        first: Option<i32>,
        last: Option<i32>,
        before: Option<String>,
        after: Option<String>,
    ) -> FieldResult<SolutionConnection> {
        if last.is_some() || before.is_some() {
            return Err("Solutions are paged forwards only".into());
        }
        if criteria
            .and_then(|criteria| criteria.tags)
            .is_some_and(|tags| !tags.is_empty())
        {
            return Ok(SolutionConnection {
                edges: Vec::new(),
                page_info: PageInfo::default(),
            });
        }
        let has_previous_page = after.is_some();
        let paging = Paging {
            first,
            after,
            ..Paging::default()
        };
        let (ids, has_next_page) = context.run(|model| {
            let (solutions, more) = model.list_solutions(&paging)?;
            let ids: Vec<_> = solutions
                .iter()
                .map(|solution| solution.id.clone())
                .collect();
            Ok((ids, more))
        })?;
        let page_info = PageInfo {
            end_cursor: ids.last().map(|id| cursor(id)),
            has_next_page,
            start_cursor: ids.first().map(|id| cursor(id)),
            has_previous_page,
        };
        let edges = ids.iter().filter_map(|id| {
            Some(SolutionConnectionEdge {
                node: Solution::find(&context.shared.offer, id)?,
                cursor: cursor(id),
            })
        });
        Ok(SolutionConnection {
            edges: edges.collect(),
            page_info,
        })
    }

    fn solution_instances(
        context: &Context,
        criteria: Option<SolutionInstanceSearchCriteria>,
        first: Option<i32>,
        last: Option<i32>,
        before: Option<String>,
        after: Option<String>,
    ) -> FieldResult<SolutionInstanceConnection> {
        let criteria = criteria.map(Into::into).unwrap_or_default();
        let paging = Paging {
            first,
            after,
            last,
            before,
        };
        let page = context
            .run(|model| model.list_instances(context.now, &context.caller, &criteria, &paging))?;
        Ok(page.into())
    }

    /// Takes no arguments, and has no second page.
    fn authentications(context: &Context) -> FieldResult<AuthenticationConnection> {
        let page =
            context.run(|model| Ok(model.list_authentications(context.now, &context.caller)))?;
        Ok(page.into())
    }

    fn details(context: &Context) -> FieldResult<UserDetails> {
        let (username, name) = match &context.caller {
            Caller::Master => ("organisation".to_owned(), "Sandbox organisation".to_owned()),
            Caller::User(id) => context.run(|model| {
                let user = model.user(id)?;
                Ok((user.external_user_id.clone(), user.name.clone()))
            })?,
        };
        Ok(UserDetails {
            email: format!("{username}@sandbox.invalid"),
            username,
            name,
        })
    }
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct UserDetails {
    username: String,
    email: String,
    name: String,
}
