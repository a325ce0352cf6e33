import regexp from 'eslint-plugin-regexp'
import neostandard, { plugins } from 'neostandard'

const useServerClocks = 'Use elapsedMs or wallClockMs of time.ts, or the clock of the database.'
const maxLength = { code: 150, ignoreUrls: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true }

export default [
  ...neostandard({
    ts: true,
    filesTs: ['**/*.tsx'],
    ignores: ['dist/**', 'dist.building/**', 'prisma/generated/**', '.tap/**', 'web/dist/**']
  }),
  {
    // A pattern that backtracks, or starts again at each character, takes quadratic time on untrusted text.
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
      // Ids and texts are checked for control characters.
      'no-control-regex': 'off',
      // A TypeBox schema and its type share a name.
      '@typescript-eslint/no-redeclare': 'off',
      // `void promise` shows that the promise is deliberately not awaited.
      'no-void': ['error', { allowAsStatement: true }]
    }
  },
  {
    // One style of comments and lines.
    files: ['*.{js,ts}', '{bench,chat,client,examples,files,hub,plugins,routes,schemas,scripts,store,test,web}/**/*.{js,ts,tsx}'],
    rules: {
      'capitalized-comments': ['error', 'always', { ignoreInlineComments: true, ignoreConsecutiveComments: true, ignorePattern: 'npm |nginx|nchan' }],
      '@stylistic/max-len': ['error', maxLength]
    }
  },
  {
    // Tables of test data may be longer.
    files: ['test/**/*.{js,ts}'],
    rules: { '@stylistic/max-len': ['error', { ...maxLength, ignoreStrings: true }] }
  },
  {
    // Durations are measured with a monotonic clock, and nodes share the database's clock: see time.ts.
    files: ['*.ts', '{chat,files,hub,plugins,routes,schemas,store}/**/*.ts'],
    ignores: ['time.ts'],
    rules: {
      'no-restricted-syntax': ['error',
        { selector: "MemberExpression[object.name='Date'][property.name='now']", message: useServerClocks },
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: useServerClocks },
        { selector: "CallExpression[callee.name='Date']", message: useServerClocks }
      ]
    }
  },
  {
    // Elapsed time is measured, and instants are taken, in one file: see client/base/clock.ts.
    files: ['client/**/*.ts'],
    ignores: ['client/base/clock.ts'],
    rules: {
      'no-restricted-properties': ['error',
        { object: 'Date', property: 'now', message: 'Use client/base/clock.ts' },
        { object: 'performance', property: 'now', message: 'Use client/base/clock.ts' }],
      'no-restricted-syntax': ['error',
        { selector: 'NewExpression[callee.name="Date"]', message: 'Use client/base/clock.ts' },
        { selector: 'CallExpression[callee.name="Date"]', message: 'Use client/base/clock.ts' }]
    }
  }
]
