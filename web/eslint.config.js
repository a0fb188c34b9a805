import js from '@eslint/js'
import jsxA11y from 'eslint-plugin-jsx-a11y'
import reactHooks from 'eslint-plugin-react-hooks'
import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['node_modules', 'dist', 'src/lib/api/schema.d.ts'] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  {
    files: ['src/**/*.{ts,tsx}'],
    ...jsxA11y.flatConfigs.strict,
  },
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': reactHooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      'no-console': 'error',
      // What an effect's call happens to return would be called as its undoing.
      'no-restricted-syntax': [
        'error',
        {
          selector: 'CallExpression[callee.name=/^use(Layout)?Effect$/] > ArrowFunctionExpression:matches([body.type="CallExpression"], [body.type="ChainExpression"], [body.type="AssignmentExpression"])',
          message: 'Put the body of the effect in braces.',
        },
      ],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      // The place where the eye is matters more than the rule of thumb: search fields and dialogs take the focus.
      'jsx-a11y/no-autofocus': 'off',
    },
  },
  {
    // Data comes through lib/api; what a browser keeps comes through lib/storage.
    files: ['src/{app,ui,features}/**/*.{ts,tsx}'],
    ignores: ['**/*.test.{ts,tsx}'],
    rules: {
      'no-restricted-globals': [
        'error',
        { name: 'fetch', message: 'Use lib/api.' },
        { name: 'localStorage', message: 'Use lib/storage.' },
        { name: 'sessionStorage', message: 'Use lib/storage.' },
        { name: 'alert', message: 'Use ui notifications.' },
        { name: 'confirm', message: 'Use ui ConfirmIrreversible.' },
      ],
    },
  },
)
