/** The README's tour with curl. Written by `npm run docs` from README.md. */
export const tour = `Two people, and a token for each:

    json='Content-Type: application/json'
    token() { curl -s localhost:3000/api/auth/register -H "$json" -d "{\\"userId\\":\\"$1\\",\\"password\\":\\"correct horse\\"}" | sed 's/.*"token":"\\([^"]*\\)".*/\\1/'; }
    alice=$(token alice) bob=$(token bob)

Alice starts a conversation with Bob:

    curl -s localhost:3000/api/chat/conversations -H "Authorization: Bearer $alice" -H "$json" \\
      -d '{"type":"direct","userId":"bob"}'

Bob follows it. In another terminal (with \`bob\` set as above; a second register is 409, use \`/api/auth/login\`), or in the background:

    curl -sN "localhost:3000/api/sse?conversationId=conv_alice_bob" -H "Authorization: Bearer $bob" &

Alice types, and writes:

    curl -s localhost:3000/api/chat/typing -H "Authorization: Bearer $alice" -H "$json" \\
      -d '{"conversationId":"conv_alice_bob","isTyping":true}'
    curl -s localhost:3000/api/chat/messages -H "Authorization: Bearer $alice" -H "$json" \\
      -d '{"conversationId":"conv_alice_bob","text":"Hello!","clientId":"first"}'

Bob's stream shows \`typing\` and \`message\`. Send the same message again: the same answer, 200 instead of 201, and no event. Bob reads it,
and Alice's tick turns:

    curl -s -X PUT localhost:3000/api/chat/conversations/conv_alice_bob/read -H "Authorization: Bearer $bob" -H "$json" -d '{"seq":1}'

He reacts with 👍, and replies with a mention and with data of his own. The answer quotes her message:

    id=$(curl -s "localhost:3000/api/chat/conversations/conv_alice_bob/messages" -H "Authorization: Bearer $bob" | sed 's/.*"messageId":"\\([^"]*\\)".*/\\1/')
    curl -s -X PUT "localhost:3000/api/chat/messages/$id/reactions/%F0%9F%91%8D" -H "Authorization: Bearer $bob"
    curl -s localhost:3000/api/chat/messages -H "Authorization: Bearer $bob" -H "$json" \\
      -d '{"conversationId":"conv_alice_bob","text":"Hi @alice","replyToId":"'$id'","mentions":[{"userId":"alice","start":3,"length":6}],"metadata":{"order":4711}}'

Alice lists what mentions her, Bob's reactions and replies, and when he read her message:

    curl -s localhost:3000/api/chat/mentions -H "Authorization: Bearer $alice"
    curl -s "localhost:3000/api/chat/messages/$id/reactions" -H "Authorization: Bearer $alice"
    curl -s "localhost:3000/api/chat/messages/$id/replies" -H "Authorization: Bearer $alice"
    curl -s "localhost:3000/api/chat/messages/$id/receipts" -H "Authorization: Bearer $alice"

She finds it again by a beginning of its words (docs/search.md):

    curl -s "localhost:3000/api/chat/search?q=hel" -H "Authorization: Bearer $alice"

Stop Bob's curl, write something, and resume after the last \`id:\` that it showed: \`-H 'Last-Event-ID: …'\`. All calls are in
\`/api/openapi.json\`, from which clients in any language can be generated (docs/openapi.md), and at \`/docs\`, to read and to try.
`
