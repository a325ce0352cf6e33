/** An emoji without variation selectors. With and without them it is one emoji, and the service answers with its own form. */
export const bareEmoji = (emoji: string): string => emoji.replace(/[\ufe0e\ufe0f]/g, '')
