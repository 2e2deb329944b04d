"""What is asked of Shopify's GraphQL Admin API.

Shopify counts the largest answer a query could have, 1,000 points at most, so pages of orders are small.
Without the permission read_products there is no kind of product to ask for.
"""

MONEY = "{ shopMoney { amount currencyCode } }"
LINES = """
      nodes { title sku quantity discountedUnitPriceAfterAllDiscountsSet { shopMoney { amount } } }
      pageInfo { hasNextPage endCursor }
"""
PERSON = """
    legacyResourceId displayName verifiedEmail locale updatedAt
    defaultEmailAddress { emailAddress }
    defaultAddress { city countryCodeV2 }
"""
ORDER = f"""
    id legacyResourceId name note email phone test createdAt processedAt updatedAt cancelledAt
    displayFinancialStatus
    totalPriceSet {MONEY} totalDiscountsSet {MONEY} totalRefundedSet {MONEY}
    billingAddress {{ name city countryCodeV2 }}
    customer {{ id {PERSON} }}
    lineItems(first: 20) {{ {LINES} }}
"""
ORDERS = f"""
query Orders($first: Int!, $after: String, $query: String) {{
  orders(first: $first, after: $after, sortKey: UPDATED_AT, query: $query) {{
    nodes {{ {ORDER} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""
SOME_ORDERS = f"""
query SomeOrders($ids: [ID!]!) {{
  nodes(ids: $ids) {{ ... on Order {{ {ORDER} }} }}
}}
"""
MORE_LINES = f"""
query MoreLines($id: ID!, $after: String) {{
  order(id: $id) {{ lineItems(first: 100, after: $after) {{ {LINES} }} }}
}}
"""
PLACED = """
query Placed($first: Int!, $after: String, $query: String) {
  orders(first: $first, after: $after, sortKey: CREATED_AT, query: $query) {
    nodes { legacyResourceId createdAt test email phone customer { legacyResourceId } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
CUSTOMERS = f"""
query Customers($first: Int!, $after: String, $query: String) {{
  customers(first: $first, after: $after, sortKey: UPDATED_AT, query: $query) {{
    nodes {{ id {PERSON} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""
SHOP = """
query Shop {
  shop { name myshopifyDomain currencyCode }
  currentAppInstallation { accessScopes { handle } }
}
"""
HOOKS = """
query Hooks($after: String) {
  webhookSubscriptions(first: 100, after: $after) {
    nodes { id topic uri }
    pageInfo { hasNextPage endCursor }
  }
}
"""
ADD_HOOK = """
mutation AddHook($topic: WebhookSubscriptionTopic!, $uri: String!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri, format: JSON}) {
    webhookSubscription { id }
    userErrors { field message }
  }
}
"""
DROP_HOOK = """
mutation DropHook($id: ID!) {
  webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } }
}
"""
