// Every client-side route is index.html: a path whose last part has no extension is a page of the application,
// anything else is a file. Runs on viewer requests of the static behaviour only, so the API's answers stay its own.
// Runtime: cloudfront-js-2.0.
function handler(event) {
    var request = event.request;
    var lastPart = request.uri.slice(request.uri.lastIndexOf('/') + 1);
    if (!lastPart.includes('.')) {
        request.uri = '/index.html';
    }
    return request;
}
