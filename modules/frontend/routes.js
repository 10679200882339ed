// Serves index.html on client-side routes: if the last part of the path has no extension, it is a route, else a file.
// It runs on viewer requests of the default behavior only, so that responses of the API do not change.
// Runtime: cloudfront-js-2.0.
function handler(event) {
    var request = event.request;
    var lastPart = request.uri.slice(request.uri.lastIndexOf('/') + 1);
    if (!lastPart.includes('.')) {
        request.uri = '/index.html';
    }
    return request;
}
