import regexp from 'eslint-plugin-regexp'
import neostandard, { plugins } from 'neostandard'

export default [
  ...neostandard({
    ts: true,
    filesTs: ['**/*.tsx'],
    ignores: ['dist/**', 'dist.building/**', 'prisma/generated/**', '.tap/**', 'web/dist/**']
  }),
  {
    // A pattern that backtracks, or starts again at each character, costs quadratic time on text from outside.
    plugins: { regexp },
    rules: {
      'regexp/no-super-linear-backtracking': ['error', { report: 'potential' }],
      'regexp/no-super-linear-move': ['error', { report: 'potential', ignoreSticky: false }]
    }
  },
  {
    files: ['**/*.ts', '**/*.tsx'],
    plugins: { '@typescript-eslint': plugins['typescript-eslint'].plugin },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      // Ids and texts are judged by their control characters.
      'no-control-regex': 'off',
      // A TypeBox schema and its type share a name.
      '@typescript-eslint/no-redeclare': 'off',
      // `void promise` says that nobody waits for it.
      'no-void': ['error', { allowAsStatement: true }]
    }
  }
]
