#!/bin/sh
# A back end in any language: HTTP, JSON and a service key. It tells a customer of an order, once, however often it is run.
#
#   CHAT_KEY=<a service key> sh examples/orders.sh 4711 ben 'Your order is on its way'
#
# It needs curl and jq. The key is one of SERVICE_KEYS of the service. CHAT_URL says where the service is (default: http://localhost:3000).
set -eu

order=$1 customer=$2 text=$3
url=${CHAT_URL:-http://localhost:3000}

# Calls the service as the shop: method, path, body. The key is not an argument, which other users of the machine could see.
chat() {
  curl --silent --show-error --fail-with-body --config - --json "$3" --request "$1" "$url$2" <<CONFIG
header = "Authorization: Bearer $CHAT_KEY"
header = "X-Chat-User: shop"
CONFIG
}

# The shop is a user like any other, and has one conversation with each customer: both calls change nothing the second time.
chat PUT /api/admin/users/shop '{ "displayName": "The shop", "isBot": true }' > /dev/null
conversation=$(chat POST /api/chat/conversations "$(jq -n --arg userId "$customer" '{ type: "direct", $userId }')")

# Nor does this one, by its clientId.
chat POST /api/chat/messages "$(jq -n --argjson order "$order" --arg text "$text" --argjson conversation "$conversation" \
  '{ conversationId: $conversation.id, $text, clientId: "order-\($order)", metadata: { $order } }')"
