module github.com/starttech/infrastructure/packagecache

go 1.25.0
