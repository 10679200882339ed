// Builds the stacks that the Go program has written, with the classes of @cdktf/provider-aws, and writes them into CDKTF_OUTDIR.
//
//   node program.js STACKS.json           requires the index of the package, as its documentation shows
//   node program.js STACKS.json modules   requires only the modules of the resources
//
// STACKS.json maps the name of each stack to its cdk.tf.json. This program copies references such as ${aws_vpc.main.id} as text
// instead of reading an attribute of an object. The classes do the same work.
const { readFileSync } = require("node:fs");
const { App, S3Backend, TerraformLocal, TerraformOutput, TerraformStack } = require("cdktf");
const { Construct } = require("constructs");

const [file, only] = process.argv.slice(2);
const index = only === "modules" ? undefined : require("@cdktf/provider-aws");

// Arguments whose keys are chosen by the user, not by Terraform.
const maps = ["tags", "dimensions"];

const camelCase = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

// moduleOf returns the module with a name such as "vpc", "data_aws_ssm_parameter" or "provider".
function moduleOf(name) {
  return index ? index[camelCase(name)] : require(`@cdktf/provider-aws/lib/${name.replaceAll("_", "-")}`);
}

function classOf(type, module) {
  const found = Object.values(moduleOf(module)).find((c) => c.tfResourceType === type);
  if (!found) throw new Error(`@cdktf/provider-aws has no class for ${type} in ${module}`);
  return found;
}

// config converts the arguments of a Terraform block into those of a class.
function config(value) {
  if (Array.isArray(value)) return value.map(config);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, v]) => [camelCase(key), maps.includes(key) ? v : config(v)]),
  );
}

function buildStack(app, name, body) {
  const stack = new TerraformStack(app, name);
  new S3Backend(stack, config(body.terraform.backend.s3));
  stack.addOverride("terraform.required_providers.aws.version", body.terraform.required_providers.aws.version);
  stack.addOverride("terraform.required_version", body.terraform.required_version);

  const providers = {};
  for (const settings of body.provider.aws) {
    const id = settings.alias ?? "aws";
    const provider = new (classOf("aws", "provider"))(stack, id, config(settings));
    providers[provider.fqn] = provider;
  }

  const scope = new Construct(stack, "Default"); // see newScope in the Go program
  for (const [id, value] of Object.entries(body.locals ?? {})) new TerraformLocal(scope, id, value);

  const buildAll = (types, prefix) => {
    for (const [type, resources] of Object.entries(types ?? {})) {
      const Class = classOf(type, type.replace(/^aws_/, prefix));
      for (const [id, { "//": comment, depends_on, provider, ...settings }] of Object.entries(resources)) {
        const resource = new Class(scope, id, {
          ...config(settings),
          dependsOn: depends_on?.map((fqn) => ({ fqn })),
          provider: providers[provider],
        });
        for (const [rule, why] of Object.entries(comment.suppressions ?? {})) {
          resource.addOverride(`//.suppressions.${rule}`, why);
        }
      }
    }
  };
  buildAll(body.data, "data_aws_");
  buildAll(body.resource, "");

  for (const [id, output] of Object.entries(body.output)) new TerraformOutput(stack, id, output);
}

const app = new App();
for (const [name, body] of Object.entries(JSON.parse(readFileSync(file, "utf8")))) buildStack(app, name, body);
app.synth();
