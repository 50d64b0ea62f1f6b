// Validates each object of a manifest by the API's schemas, as the npm packages kubernetes-models and js-yaml have them:
// node validate_manifests.js FILE, with NODE_PATH naming their folder. Prints what is wrong; "ok KIND NAME" else.
const fs = require('fs');
const yaml = require('js-yaml');

for (const object of yaml.loadAll(fs.readFileSync(process.argv[2], 'utf8'))) {
  const Model = require('kubernetes-models/' + object.apiVersion)[object.kind];
  try {
    new Model(object).validate();
    console.log('ok', object.kind, object.metadata.name);
  } catch (error) {
    console.log(`${object.kind} ${object.metadata.name}: ${error.message}`);
  }
}
