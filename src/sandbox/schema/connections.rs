//! Pages of objects, in the shape of Relay's connections.

use std::sync::Arc;

use juniper::GraphQLObject;

use super::super::model::{self, Page, cursor};
use super::context::Context;
use super::nodes::{Authentication, ExternalUser, Solution, SolutionInstance, WorkflowInstance};

#[derive(Default, GraphQLObject)]
#[graphql(context = Context)]
pub struct PageInfo {
    pub end_cursor: Option<String>,
    pub has_next_page: bool,
    pub start_cursor: Option<String>,
    pub has_previous_page: bool,
}

impl PageInfo {
    fn new<T>(page: &Page<T>, id: impl Fn(&T) -> &str) -> Self {
        Self {
            end_cursor: page.items.last().map(|item| cursor(id(item))),
            has_next_page: page.has_next,
            start_cursor: page.items.first().map(|item| cursor(id(item))),
            has_previous_page: page.has_previous,
        }
    }
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct UserConnection {
    edges: Vec<UserConnectionEdge>,
    page_info: PageInfo,
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct UserConnectionEdge {
    node: ExternalUser,
    cursor: String,
}

impl From<Page<model::User>> for UserConnection {
    fn from(page: Page<model::User>) -> Self {
        let page_info = PageInfo::new(&page, |user| &user.id);
        let edges = page.items.into_iter().map(|user| UserConnectionEdge {
            cursor: cursor(&user.id),
            node: ExternalUser(user),
        });
        Self {
            edges: edges.collect(),
            page_info,
        }
    }
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct SolutionConnection {
    pub edges: Vec<SolutionConnectionEdge>,
    pub page_info: PageInfo,
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct SolutionConnectionEdge {
    pub node: Solution,
    pub cursor: String,
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct SolutionInstanceConnection {
    edges: Vec<SolutionInstanceConnectionEdge>,
    page_info: PageInfo,
    total_count: i32,
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct SolutionInstanceConnectionEdge {
    node: SolutionInstance,
    cursor: String,
}

impl From<(Page<model::Instance>, usize)> for SolutionInstanceConnection {
    fn from((page, total): (Page<model::Instance>, usize)) -> Self {
        let page_info = PageInfo::new(&page, |instance| &instance.id);
        let edges = page
            .items
            .into_iter()
            .map(|instance| SolutionInstanceConnectionEdge {
                cursor: cursor(&instance.id),
                node: SolutionInstance(instance),
            });
        Self {
            edges: edges.collect(),
            page_info,
            total_count: i32::try_from(total).unwrap_or(i32::MAX),
        }
    }
}

/// No page information, and nothing in it.
#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct WorkflowInstanceConnection {
    pub edges: Vec<WorkflowInstanceConnectionEdge>,
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct WorkflowInstanceConnectionEdge {
    node: WorkflowInstance,
}

#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct AuthenticationConnection {
    edges: Vec<AuthenticationEdge>,
    page_info: PageInfo,
}

/// Without a cursor.
#[derive(GraphQLObject)]
#[graphql(context = Context)]
pub struct AuthenticationEdge {
    node: Authentication,
}

impl From<Page<model::Authentication>> for AuthenticationConnection {
    fn from(page: Page<model::Authentication>) -> Self {
        let page_info = PageInfo::new(&page, |authentication| &authentication.id);
        let edges = page.items.into_iter();
        let edge = |node: Arc<model::Authentication>| AuthenticationEdge {
            node: Authentication(node),
        };
        Self {
            edges: edges.map(edge).collect(),
            page_info,
        }
    }
}
