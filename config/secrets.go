package config

// Secrets is the secrets of Secrets Manager that the backend reads, and their rotation.
type Secrets struct {
	// Days between two rotations of the JWT key, and of the password of Redis with cache.auth. Users sign in again after each.
	//
	// AWS's limits: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotationRulesType.html.
	RotationDays int `json:"rotationDays" jsonschema:"minimum=1,maximum=1000" change:"free: but a rotation begins at once, and its function replaces the instances. With the first block, deploy bootstrap before, for the roles."`
}

func (Secrets) check(at place, e Environment) { e.Network.checkRouteTo("Secrets Manager", at) }

func defaultSecrets() Secrets { return Secrets{RotationDays: 30} }

// The secrets of an environment: the last component of their names, after /starttech/ENV/.
const (
	OperatorSecret = "backend" // the operator's values
	JWTSecret      = "jwt"     // JWT_SECRET_KEY, generated
	RedisSecret    = "redis"   // REDIS_PASSWORD, generated; with cache.auth
)

// SecretNames is the names of the environment's secrets, in the order in which an instance reads them.
func (e Environment) SecretNames() []string {
	if e.Secrets == nil {
		return nil
	}
	names := []string{e.PathPrefix() + "/" + OperatorSecret, e.PathPrefix() + "/" + JWTSecret}
	if e.Cache.Auth {
		names = append(names, e.PathPrefix()+"/"+RedisSecret)
	}
	return names
}

// GeneratedVariables is the variables of the backend that the rotation function generates, and the names of their secrets.
func (e Environment) GeneratedVariables() map[string]string {
	if e.Secrets == nil {
		return nil
	}
	variables := map[string]string{"JWT_SECRET_KEY": e.PathPrefix() + "/" + JWTSecret}
	if e.Cache.Auth {
		variables["REDIS_PASSWORD"] = e.PathPrefix() + "/" + RedisSecret
	}
	return variables
}
