module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'features-do-not-meet',
      severity: 'error',
      from: { path: '^src/features/([^/]+)/' },
      to: { path: '^src/features/', pathNot: '^src/features/$1/' },
    },
    {
      name: 'viewer-is-entered-by-its-door',
      severity: 'error',
      from: { pathNot: '^src/viewer/' },
      to: { path: '^src/viewer/', pathNot: '^src/viewer/(index\\.tsx?|opening\\.ts)$' },
    },
    {
      name: 'viewer-knows-no-feature',
      severity: 'error',
      from: { path: '^src/viewer/' },
      to: { path: '^src/(features|app)/' },
    },
    {
      name: 'ui-and-lib-are-the-floor',
      severity: 'error',
      from: { path: '^src/(ui|lib)/' },
      to: { path: '^src/(app|features|viewer)/' },
    },
    { name: 'lib-draws-nothing', severity: 'error', from: { path: '^src/lib/' }, to: { path: '^src/ui/' } },
    { name: 'ui-knows-no-server', severity: 'error', from: { path: '^src/ui/' }, to: { path: '^src/lib/api/' } },
    {
      name: 'nothing-imports-app',
      severity: 'error',
      from: { pathNot: '^src/(app/|main\\.tsx$)' },
      to: { path: '^src/app/' },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: '(\\.d\\.ts$|^src/testing\\.ts$)' },
      to: {},
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'browser', 'default'] },
  },
}
