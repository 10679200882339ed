
// Redirects the www name to the site, with path and query string.
function handler(event) {
    var request = event.request;
    var host = request.headers.host.value;
    if (host.indexOf('www.') !== 0) {
        return route(event);
    }
    return {
        statusCode: 301,
        statusDescription: 'Moved Permanently',
        headers: { location: { value: 'https://' + host.slice(4) + request.uri + queryOf(request.querystring) } },
    };
}

// The query string, whose names and values are as the viewer has encoded them.
function queryOf(parameters) {
    var parts = [];
    for (var name in parameters) {
        (parameters[name].multiValue || [parameters[name]]).forEach(function (parameter) {
            parts.push(parameter.value === '' ? name : name + '=' + parameter.value);
        });
    }
    return parts.length === 0 ? '' : '?' + parts.join('&');
}
